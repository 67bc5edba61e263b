// SPDX-License-Identifier: Apache-2.0
// `perf record` as a supervised child, its data taken in segments while it goes on.
// Not for reading the data: script.h.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/supervised_tool.h"
#include "base/unique_fd.h"
#include "userspace/tools/perf/mode.h"

namespace waggle {

struct PerfRecordOptions {
  std::string perf;   // path of the program
  std::string event;  // "cpu-clock"; "": what perf takes when it is told nothing
  int frequency_hz = 99;
  PerfMode mode = PerfMode::fp;
  int dwarf_stack_bytes = 8192;
  std::vector<pid_t> pids;  // and what they start; empty: the whole host
  // Paths in the hierarchy that perf counts by; of the whole host only what is in or below one of
  // them.  Needs a name for the event.
  std::vector<std::string> cgroups = {};
  // So that no names are taken from files that were replaced; costs a look at all data at the end.
  bool has_build_ids = true;
  // Which programs others give to the kernel: of no use here, and the thread that takes them lets
  // perf end up to a second late.  perf before 5.1 cannot be told.
  bool has_bpf_events = false;
};

// Its times are CLOCK_MONOTONIC.  `output`: the path that segments' names begin with.
std::vector<std::string> perf_record_command(const PerfRecordOptions& options,
                                             const std::string& output);

// Of a perf that does little and must do it in time (ToolOptions::nice).
inline constexpr int kPerfNice = -10;

// What every perf is started with: no configuration file of the user decides what we read.
ToolOptions perf_tool_options();

// One thread, the one that started it.  Destruction kills perf.
class PerfRecording {
 public:
  // `directory`: private, for the data.  Returns before perf samples: is_sampling().
  static Result<PerfRecording> start(const PerfRecordOptions& options,
                                     const std::string& directory);

  // Once read() has heard so.
  [[nodiscard]] bool is_sampling();
  // Waits for that.  The error has perf's own words.
  Result<> wait_until_sampling(std::chrono::steady_clock::time_point deadline);

  // When an fd is readable; it is -1 once its output has ended.
  void read();
  [[nodiscard]] int output_fd() const { return tool_.output_fd(); }
  [[nodiscard]] int errors_fd() const { return tool_.errors_fd(); }
  [[nodiscard]] pid_t pid() const { return tool_.pid(); }

  // Ends the current segment and begins the next one; nothing is missed between them.
  Result<> roll() { return tool_.send_signal(SIGUSR2); }
  // Of the one that it is at.
  [[nodiscard]] std::uint64_t segment_bytes() const;
  // Segments that are whole, oldest first.  Their names are gone then.
  std::vector<UniqueFd> take_segments();

  std::optional<ToolEnd> poll_end() { return tool_.poll_end(); }
  ToolEnd stop(std::chrono::milliseconds grace) { return tool_.stop(grace); }
  // The two halves of stop().
  void interrupt() { (void)tool_.send_signal(SIGINT); }  // it may have ended
  ToolEnd kill() { return tool_.kill(); }
  // After an end of which perf knew nothing: what it had written of the segment that it was at.
  std::optional<UniqueFd> take_rest();

  // Of its last line on stderr that tells something.
  [[nodiscard]] std::string last_line() const;

 private:
  PerfRecording(SupervisedTool tool, std::string directory)
      : tool_(std::move(tool)), directory_(std::move(directory)) {}

  SupervisedTool tool_;
  std::string directory_;
  bool is_sampling_ = false;
  std::optional<std::chrono::steady_clock::time_point> has_data_since_;
};

}  // namespace waggle
