// SPDX-License-Identifier: Apache-2.0
#include "userspace/attach/sampling_event.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "base/file.h"
#include "base/text.h"
#include "userspace/attach/perf_event.h"

namespace waggle {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kProofFrequency = 1000;
constexpr auto kProofLimit = std::chrono::seconds(1);

constexpr std::array kCandidates = {
    SamplingEvent{"cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, true, false},
    SamplingEvent{"cpu-clock", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK, true, true},
};

perf_event_attr attributes(const SamplingEvent& event, int frequency) {
  perf_event_attr attr{};
  attr.type = event.type;
  attr.config = event.config;
  attr.freq = 1;
  attr.sample_freq = static_cast<std::uint64_t>(frequency);
  attr.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED;
  attr.disabled = 1;
  attr.exclude_idle = event.excludes_idle ? 1 : 0;
  return attr;
}

// The first page of an event's ring; its data_head moves when a sample was written.
class ProofRing {
 public:
  explicit ProofRing(int event_fd)
      : page_(::mmap(nullptr, size_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, event_fd, 0)) {}
  ProofRing(const ProofRing&) = delete;
  ProofRing& operator=(const ProofRing&) = delete;
  ~ProofRing() {
    if (is_mapped()) {
      (void)::munmap(page_, size_bytes());
    }
  }

  [[nodiscard]] bool is_mapped() const { return page_ != MAP_FAILED; }
  [[nodiscard]] bool has_sample() const {
    return __atomic_load_n(&static_cast<perf_event_mmap_page*>(page_)->data_head,
                           __ATOMIC_ACQUIRE) != 0;
  }

 private:
  static std::size_t size_bytes() { return 2 * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }
  void* page_;
};

// Spins on this thread until the event has sampled it.
Result<> prove(const SamplingEvent& event) {
  perf_event_attr attr = attributes(event, kProofFrequency);
  attr.sample_type = PERF_SAMPLE_IP;
  const UniqueFd fd = TRY(open_perf_event(attr, 0, -1, -1, 0));
  const ProofRing ring(fd.get());
  if (!ring.is_mapped()) {
    return fail_errno("mmap of its ring", errno);
  }
  TRY(enable_event(fd.get()));
  const Clock::time_point limit = Clock::now() + kProofLimit;
  while (Clock::now() < limit) {
    if (ring.has_sample()) {
      return {};
    }
  }
  return fail(Errc::unsupported, "opened, but delivered no sample in a second");
}

}  // namespace

Result<SamplingEvent> choose_sampling_event() {
  std::string refusals;
  Errc code = Errc::unsupported;
  for (SamplingEvent event : kCandidates) {
    Result<> proof = prove(event);
    if (!proof) {
      event.excludes_idle = false;  // some events refuse the bit; the program skips pid 0 itself
      proof = prove(event);
    }
    if (proof) {
      return event;
    }
    code = proof.error().code;
    refusals +=
        fmt::format("{}{}: {}", refusals.empty() ? "" : "; ", event.name, proof.error().what);
  }
  return fail(code, "no event can sample: " + refusals);
}

Result<UniqueFd> open_sampling_event(const SamplingEvent& event, int frequency, int cpu) {
  Result<UniqueFd> fd = open_perf_event(attributes(event, frequency), -1, cpu, -1, 0);
  if (!fd) {
    return add_context(fmt::format("{} on CPU {}", event.name, cpu), std::move(fd).error());
  }
  return fd;
}

Result<> enable_event(int fd) {
  if (::ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) != 0) {
    return fail_errno("enable a perf event", errno);
  }
  return {};
}

Result<> disable_event(int fd) {
  if (::ioctl(fd, PERF_EVENT_IOC_DISABLE, 0) != 0) {
    return fail_errno("disable a perf event", errno);
  }
  return {};
}

Result<EventCount> read_event(int fd) {
  EventCount count{};
  if (::read(fd, &count, sizeof(count)) != static_cast<ssize_t>(sizeof(count))) {
    return fail_errno("read a perf event", errno);
  }
  return count;
}

Result<int> max_sample_rate() {
  const std::string path = "/proc/sys/kernel/perf_event_max_sample_rate";
  const std::string text = TRY(read_file(path, 64));
  const std::optional<int> rate = parse_number<int>(text.substr(0, text.find('\n')));
  if (!rate) {
    return fail(Errc::malformed, path + ": not a number");
  }
  return *rate;
}

}  // namespace waggle
