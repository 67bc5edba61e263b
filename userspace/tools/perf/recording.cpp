// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/perf/recording.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace waggle {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr std::string_view kData = "data";
// For a time when nobody asks for segments; a signal ends perf then.
constexpr std::uint64_t kMaxSegmentBytes = std::uint64_t{1} << 30;
// perf before 5.9 does not say when it samples: it has opened its events before it writes.
constexpr milliseconds kSilentStart(1000);

// A link or a fifo is not data, whoever put it there.
std::optional<UniqueFd> open_and_unlink(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat status{};
  const bool is_data = fd.is_open() && ::fstat(fd.get(), &status) == 0 && S_ISREG(status.st_mode) &&
                       status.st_size > 0;
  (void)::unlink(path.c_str());
  return is_data ? std::optional(std::move(fd)) : std::nullopt;
}

}  // namespace

ToolOptions perf_tool_options() {
  return {.variables = {"PERF_CONFIG=/dev/null", "LC_ALL=C", "DEBUGINFOD_URLS="},
          .file_bytes = kMaxSegmentBytes};
}

std::vector<std::string> perf_record_command(const PerfRecordOptions& options,
                                             const std::string& output) {
  const bool is_dwarf = options.mode == PerfMode::dwarf;
  std::vector<std::string> command = {options.perf,
                                      "record",
                                      "--output=" + output,
                                      "--switch-output=signal",
                                      options.has_build_ids ? "--no-buildid-cache" : "--no-buildid",
                                      "--clockid=CLOCK_MONOTONIC",
                                      "--delay=1",  // so that it says when it samples
                                      fmt::format("--freq={}", options.frequency_hz),
                                      fmt::format("--mmap-pages={}", is_dwarf ? 256 : 128)};
  if (!options.has_bpf_events) {
    command.emplace_back("--no-bpf-event");
  }
  command.push_back(is_dwarf ? fmt::format("--call-graph=dwarf,{}", options.dwarf_stack_bytes)
                             : "--call-graph=fp");
  // perf gives the first cgroup to the first event, and so on.
  const std::size_t event_count = std::max<std::size_t>(options.cgroups.size(), 1);
  for (std::size_t i = 0; i < event_count && !options.event.empty(); ++i) {
    command.push_back("--event=" + options.event);
  }
  if (!options.cgroups.empty()) {
    command.push_back(fmt::format("--cgroup={}", fmt::join(options.cgroups, ",")));
  }
  command.push_back(options.pids.empty() ? "--all-cpus"
                                         : fmt::format("--pid={}", fmt::join(options.pids, ",")));
  return command;
}

Result<PerfRecording> PerfRecording::start(const PerfRecordOptions& options,
                                           const std::string& directory) {
  const auto command = perf_record_command(options, fmt::format("{}/{}", directory, kData));
  ToolOptions tool_options = perf_tool_options();
  // What the kernel has no room for is lost, and beside eight busy processes on each CPU its end
  // took more than three seconds without this.
  tool_options.nice = kPerfNice;
  SupervisedTool tool =
      TRY(SupervisedTool::start(command, std::move(tool_options), [](std::string_view) {}));
  return PerfRecording(std::move(tool), directory);
}

void PerfRecording::read() {
  tool_.read();
  is_sampling_ = is_sampling_ || tool_.last_words().find("Events enabled") != std::string::npos;
}

bool PerfRecording::is_sampling() {
  if (is_sampling_) {
    return true;
  }
  const bool has_data = segment_bytes() > 0;
  if (has_data && !has_data_since_) {
    has_data_since_ = steady_clock::now();
  }
  return has_data_since_ && steady_clock::now() - *has_data_since_ > kSilentStart;
}

Result<> PerfRecording::wait_until_sampling(steady_clock::time_point deadline) {
  constexpr milliseconds kLook(5);
  while (!is_sampling()) {
    if (tool_.wait_until(std::min(steady_clock::now() + kLook, deadline))) {
      return fail(Errc::unsupported,
                  fmt::format("perf record {}: {}", poll_end()->text(), last_line()));
    }
    read();
    if (steady_clock::now() >= deadline) {
      return fail(Errc::system, "perf record does not begin to sample");
    }
  }
  return {};
}

std::uint64_t PerfRecording::segment_bytes() const {
  const std::string path = fmt::format("{}/{}", directory_, kData);
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

std::vector<UniqueFd> PerfRecording::take_segments() {
  std::vector<std::string> paths;
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, gone)) {
    if (entry.path().filename().string().starts_with(fmt::format("{}.", kData))) {
      paths.push_back(entry.path());
    }
  }
  std::ranges::sort(paths);  // their endings are times
  std::vector<UniqueFd> segments;
  for (const std::string& path : paths) {
    if (auto segment = open_and_unlink(path)) {
      segments.push_back(*std::move(segment));
    }
  }
  return segments;
}

std::optional<UniqueFd> PerfRecording::take_rest() {
  return open_and_unlink(fmt::format("{}/{}", directory_, kData));
}

std::string PerfRecording::last_line() const {
  return last_line_of(tool_.last_words());
}

}  // namespace waggle
