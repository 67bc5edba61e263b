// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/process.h"

#include <algorithm>
#include <utility>

#include "userspace/process/proc_fs.h"

namespace waggle {

namespace {

constexpr std::uint64_t kForkDelayNs = 500'000'000;
constexpr std::uint64_t kForkEarlyNs = 1'000'000;

std::uint64_t minus(std::uint64_t value, std::uint64_t less) {
  return value > less ? value - less : 0;
}

std::uint64_t distance(std::uint64_t a, std::uint64_t b) {
  return a > b ? a - b : b - a;
}

}  // namespace

StartTime StartTime::from_ticks(std::uint64_t ticks) {
  if (ticks >= kForever / kTickNs) {
    return {kForever, kForever};
  }
  return {ticks * kTickNs, ticks * kTickNs + kTickNs - 1};
}

StartTime StartTime::from_fork(std::uint64_t boottime_ns) {
  return {minus(boottime_ns, kForkDelayNs), boottime_ns + kForkEarlyNs};
}

bool StartTime::agrees_with(const StartTime& other) const {
  return earliest_ns <= other.latest_ns && other.earliest_ns <= latest_ns;
}

void StartTime::narrow(const StartTime& other) {
  earliest_ns = std::max(earliest_ns, other.earliest_ns);
  latest_ns = std::min(latest_ns, other.latest_ns);
}

bool Process::may_be(const process_id& id, std::uint64_t time_ns) const {
  // Samples of an exiting task come a little after the exit is told of; the start decides then.
  return id.tgid == pid && start.agrees_with(StartTime::exact(id.start_boottime_ns)) &&
         minus(begin_ns, kExecSlackNs) <= time_ns && minus(time_ns, kForkDelayNs) <= end_ns;
}

Image* Process::find_image(const process_id& id, std::uint64_t time_ns) {
  start.narrow(StartTime::exact(id.start_boottime_ns));
  if (first_exec_id) {
    const std::uint32_t index = id.exec_id - *first_exec_id;
    return index < images.size() ? &images[index] : nullptr;
  }
  std::size_t index = images.size() - 1;
  while (index > 0 && images[index].from_ns > time_ns) {
    --index;
  }
  Image& image = images[index];
  if (image.from_ns > time_ns + kExecSlackNs) {
    return nullptr;  // of an image that is forgotten
  }
  const bool is_after_exec = index == 0 || distance(image.from_ns, time_ns) > kExecSlackNs;
  const bool is_before_exec =
      index + 1 == images.size() || distance(image.to_ns, time_ns) > kExecSlackNs;
  if (is_after_exec && is_before_exec) {
    first_exec_id = id.exec_id - static_cast<std::uint32_t>(index);
  }
  return &image;
}

void Process::begin_image(Image image) {
  if (!images.empty()) {
    images.back().to_ns = image.from_ns;
  }
  if (images.size() == kMaxImages) {
    images.erase(images.begin());
    if (first_exec_id) {
      ++*first_exec_id;
    }
  }
  images.push_back(std::move(image));
}

}  // namespace waggle
