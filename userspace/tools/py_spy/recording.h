// SPDX-License-Identifier: Apache-2.0
// `py-spy record` on one process, as a supervised child, and what it wrote.  Not for which
// processes: selection.h.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/supervised_tool.h"
#include "userspace/tools/py_spy/command.h"
#include "userspace/tools/py_spy/output_parser.h"

namespace waggle {

// One thread, the one that started it.  Destruction kills py-spy.
class PySpyRecording {
 public:
  // `directory`: private, for what it writes.  Errc::not_found: there is no such process.
  static Result<PySpyRecording> start(const std::string& py_spy, pid_t target,
                                      const PySpyOptions& options, const std::string& directory);

  [[nodiscard]] pid_t target() const { return target_; }
  [[nodiscard]] pid_t pid() const { return tool_.pid(); }

  // When an fd is readable; it is -1 once its output has ended.
  void read() { tool_.read(); }
  [[nodiscard]] int output_fd() const { return tool_.output_fd(); }
  [[nodiscard]] int errors_fd() const { return tool_.errors_fd(); }

  void interrupt() { (void)tool_.send_signal(SIGINT); }  // it may have ended
  std::optional<ToolEnd> poll_end() { return tool_.poll_end(); }
  // Kills it unless it has ended.
  ToolEnd end() { return tool_.kill(); }

  // After its end: the stacks it wrote, once.  An error is in few words what went wrong; stacks
  // that were handed out are not to be believed then.
  Result<PySpyOutputParser::Counters> read_stacks(const ToolEnd& end,
                                                  PySpyOutputParser::OnStack on_stack);
  // After its end: lets the process go on if py-spy has left it stopped.  True: it had.
  bool resume_target();
  [[nodiscard]] bool is_target_alive() const;
  // Of its last line on stderr that tells something.
  [[nodiscard]] std::string last_line() const { return last_line_of(tool_.last_words()); }

 private:
  PySpyRecording(SupervisedTool tool, pid_t target, const PySpyOptions& options)
      : tool_(std::move(tool)), target_(target), options_(options) {}

  SupervisedTool tool_;
  pid_t target_;
  PySpyOptions options_;
  std::string output_;             // path
  std::uint64_t start_ticks_ = 0;  // of the target: a pid is used again
  bool was_stopped_ = false;       // the target, before we came
};

}  // namespace waggle
