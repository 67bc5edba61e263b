// SPDX-License-Identifier: Apache-2.0
// One process and its images, and which of them a sample belongs to.  Pure: no I/O, no clock.
//
// The stream knows pids and times, /proc a start time to 10 ms, a sample the exact instance
// (bpf/abi/process.h).  They meet here: what is known of the start is an interval that only
// shrinks, the first exec id that is seen gives all of a process' images theirs, and whatever
// disagrees with what is known gets no answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bpf/abi/process.h"
#include "userspace/process/mapping_history.h"

namespace waggle {

// When a process started, CLOCK_BOOTTIME, as [earliest_ns, latest_ns].
struct StartTime {
  std::uint64_t earliest_ns = 0;
  std::uint64_t latest_ns = kForever;

  static StartTime exact(std::uint64_t boottime_ns) { return {boottime_ns, boottime_ns}; }
  static StartTime from_ticks(std::uint64_t ticks);
  // The fork is told of just after the start is noted, or much later on a host that has no CPU
  // left.
  static StartTime from_fork(std::uint64_t boottime_ns);

  [[nodiscard]] bool agrees_with(const StartTime& other) const;
  void narrow(const StartTime& other);
};

// The id of a container, "" for none.
using ContainerRef = std::shared_ptr<const std::string>;

class Application;  // application.h
using ApplicationRef = std::shared_ptr<Application>;

// One program in one process: from an exec (or fork) to the next (or the end).
struct Image {
  std::uint64_t from_ns = 0, to_ns = kForever;  // CLOCK_MONOTONIC
  std::string exec_name;                        // at most 15 bytes, raw
  // Shared with the images of forked children and parents until one maps something.
  std::shared_ptr<MappingHistory> history;
  ContainerRef container;           // nullptr: not asked yet
  ApplicationRef application = {};  // nullptr: not sampled, or not wanted
};

struct Process {
  // Older ones are forgotten.  64 bytes each; samples are looked at once a second, in which a
  // process can exec some hundred times.
  static constexpr std::size_t kMaxImages = 256;
  // An exec is told of microseconds before the exec id changes: no exec id is learned from a sample
  // so near to one.
  static constexpr std::uint64_t kExecSlackNs = 1'000'000;

  std::uint32_t pid = 0;
  std::uint32_t parent_pid = 0;
  std::uint64_t serial = 0;  // unlike the pid never used again
  StartTime start;
  std::uint64_t begin_ns = 0;       // 0: before the stream
  std::uint64_t end_ns = kForever;  // when its last thread exited
  std::uint32_t thread_count = 1;
  bool is_thread_count_exact = false;
  bool is_leader_gone = false;
  bool is_kernel_thread = false;
  std::uint64_t verified_ns = 0;  // nothing of it was lost before that
  std::uint64_t next_read_ns = 0;
  std::uint64_t read_pause_ns = 0;
  std::vector<Image> images;                   // never empty
  std::optional<std::uint32_t> first_exec_id;  // of images.front()
  std::unique_ptr<Process> older;              // that had the same pid before

  [[nodiscard]] bool is_live() const { return end_ns == kForever; }
  [[nodiscard]] Image& current() { return images.back(); }

  // Whether a sample of `id` at `time_ns` can be of this process.
  [[nodiscard]] bool may_be(const process_id& id, std::uint64_t time_ns) const;
  // The image of the sample, which may_be() accepted; nullptr when its exec is not known (yet).
  // Learns the start time, and the exec ids where time leaves no doubt.
  Image* find_image(const process_id& id, std::uint64_t time_ns);

  void begin_image(Image image);  // ends the current one at image.from_ns
};

}  // namespace waggle
