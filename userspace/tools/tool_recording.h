// SPDX-License-Identifier: Apache-2.0
// A tool that is run on one process, samples it until it is interrupted, and writes what it has to
// a file then.  Not for what is in that file.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/supervised_tool.h"
#include "base/unique_fd.h"

namespace waggle {

// How it is run.
struct ToolCall {
  std::string name;  // of the tool, for messages
  std::vector<std::string> command;
  std::vector<std::string> variables;  // "NAME=value"
  std::string output;                  // the file that it writes
  std::uint64_t output_bytes = 0;      // at most: a signal that says so ends it
  int nice = 0;
};

// More than any recording has.
inline constexpr std::uint64_t kMaxToolOutputBytes = std::uint64_t{64} << 20;

// Of a sampler that does little and must do it in time: one that comes late meets the program where
// that waits for its CPU, again and again (ToolOptions::nice).
inline constexpr int kSamplerNice = -10;

// One thread, the one that started it.  Destruction kills the tool.
class ToolRecording {
 public:
  // Errc::not_found: there is no such process.
  static Result<ToolRecording> start(const ToolCall& call, pid_t target);

  [[nodiscard]] pid_t target() const { return target_; }
  [[nodiscard]] pid_t pid() const { return tool_.pid(); }
  [[nodiscard]] const std::string& name() const { return name_; }

  // When an fd is readable; it is -1 once its output has ended.
  void read() { tool_.read(); }
  [[nodiscard]] int output_fd() const { return tool_.output_fd(); }
  [[nodiscard]] int errors_fd() const { return tool_.errors_fd(); }

  void interrupt() { (void)tool_.send_signal(SIGINT); }  // it may have ended
  std::optional<ToolEnd> poll_end() { return tool_.poll_end(); }
  // Kills it unless it has ended.
  ToolEnd end() { return tool_.kill(); }

  // After its end: the file that it wrote, once, also where it failed when the process ended.  An
  // error is in few words what went wrong; Errc::not_found: the process has ended, and that is why.
  Result<UniqueFd> take_output(const ToolEnd& end);
  [[nodiscard]] std::uint64_t output_bytes() const { return output_bytes_; }
  // After its end: lets the process go on if the tool has left it stopped.  True: it had.
  bool resume_target();
  [[nodiscard]] bool is_target_alive() const;
  // Of its last line on stderr that tells something.
  [[nodiscard]] std::string last_line() const { return last_line_of(tool_.last_words()); }

 private:
  ToolRecording(SupervisedTool tool, pid_t target, const ToolCall& call)
      : tool_(std::move(tool)),
        target_(target),
        name_(call.name),
        output_(call.output),
        output_bytes_(call.output_bytes) {}

  SupervisedTool tool_;
  pid_t target_;
  std::string name_;
  std::string output_;  // path
  std::uint64_t output_bytes_;
  std::uint64_t start_ticks_ = 0;  // of the target: a pid is used again
  bool was_stopped_ = false;       // the target, before we came
};

// What is in a file from where it stands, in pieces, `limit` bytes at most.
Result<> read_pieces(int fd, std::uint64_t limit,
                     const std::function<void(std::string_view)>& take);

}  // namespace waggle
