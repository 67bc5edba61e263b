// SPDX-License-Identifier: Apache-2.0
// A tool that runs long: what it prints is taken piece by piece, and it ends when it is asked to,
// or is made to.  Not for tools that answer and end: run_tool() of subprocess.h.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/child_process.h"
#include "base/event_loop.h"
#include "base/result.h"
#include "base/subprocess.h"
#include "base/unique_fd.h"

namespace waggle {

// How a tool ended.
struct ToolEnd {
  int wait_status;         // of waitpid(2)
  bool is_killed = false;  // by us: it did not end when it was asked to
  std::chrono::microseconds cpu_time{};

  [[nodiscard]] bool is_ok() const { return wait_status == 0 && !is_killed; }
  // "exited with status 3", "was ended by signal 11", "had to be killed".
  [[nodiscard]] std::string text() const;
};

// One thread.  Memory: one piece of output at a time, and the last words.
class SupervisedTool {
 public:
  static constexpr std::size_t kPieceBytes = 65536;
  static constexpr std::size_t kLastWordsBytes = 4096;
  using Take = std::function<void(std::string_view)>;

  // stderr is always apart.  `take` gets the pieces of stdout, in read_output().
  static Result<SupervisedTool> start(std::span<const std::string> command, ToolOptions options,
                                      Take take);

  // Reads what has come: of stdout a piece at most, so that a tool that never stops printing does
  // not hold us.
  void read();
  // Readable when read() has work to do; -1 once that output has ended.
  [[nodiscard]] int output_fd() const { return tool_.output.get(); }
  [[nodiscard]] int errors_fd() const { return tool_.errors.get(); }
  [[nodiscard]] bool has_output_ended() const { return !tool_.output.is_open(); }

  [[nodiscard]] pid_t pid() const { return tool_.process.pid(); }
  Result<> send_signal(int signal) { return tool_.process.send_signal(signal); }
  [[nodiscard]] std::optional<ToolEnd> poll_end();
  // Waits for its end; what it prints meanwhile is taken.  False past `deadline`.
  bool wait_until(std::chrono::steady_clock::time_point deadline);
  // SIGINT, a time of grace, SIGKILL to its group.
  ToolEnd stop(std::chrono::milliseconds grace);
  // SIGKILL to its group, at once.
  ToolEnd kill();

  // The end of what it wrote to stderr.
  [[nodiscard]] const std::string& last_words() const { return last_words_; }

 private:
  SupervisedTool(Tool tool, Take take) : tool_(std::move(tool)), take_(std::move(take)) {}
  void read_errors();
  void drain();

  Tool tool_;
  Take take_;
  std::string last_words_;
  bool is_killed_ = false;
};

// The last line of `words` that tells something, made fit to be shown.
std::string last_line_of(std::string_view words);

}  // namespace waggle
