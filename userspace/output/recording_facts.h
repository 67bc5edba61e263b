// SPDX-License-Identifier: Apache-2.0
// What is known of one recording besides its stacks: one struct, so that the file, the page and
// the terminal cannot disagree.  Not for the stacks: see profile/profile.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace waggle {

struct Overhead {
  double cpu_s = 0;
  std::uint64_t rss_bytes = 0;
  std::uint64_t bpf_map_bytes = 0;
};

struct RecordingFacts {
  std::string version;
  std::string kernel;     // release, as uname -r
  double start_time = 0;  // Unix seconds
  double end_time = 0;    // Unix seconds
  std::string engine;     // "ebpf" or "fallback"
  std::string engine_reason;
  std::string event;     // "cycles", "cpu-clock", ...
  double frequency = 0;  // Hz, effective: counts / frequency = CPU seconds; 0 = unknown
  double duration_s = 0;
  double paused_s = 0;
  std::uint64_t samples = 0;                                // taken by the sampler
  std::vector<std::pair<std::string, std::uint64_t>> lost;  // counter, samples in no line
  std::uint64_t added = 0;      // stacks in the file that no sample stands for
  std::uint64_t throttled = 0;  // estimate, not in samples
  std::uint64_t truncated = 0;  // samples kept, but cut
  std::vector<std::string> excluded;
  std::vector<std::pair<std::string, std::string>> tools;  // external tool, "ok" or what happened
  std::optional<int> command_status;                       // of `-- cmd`
  Overhead overhead;
};

// The sum over all counters of `lost`.
std::uint64_t total_lost(const RecordingFacts& facts);

}  // namespace waggle
