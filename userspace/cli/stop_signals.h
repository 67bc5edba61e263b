// SPDX-License-Identifier: Apache-2.0
// SIGINT and SIGTERM: the first ends the recording, a second SIGINT ends the program.
#pragma once

#include <initializer_list>
#include <optional>

#include "base/result.h"
#include "base/unique_fd.h"

namespace waggle {

// From open() on both signals are blocked and read from fd(); children start with them unblocked
// only if their starter sees to it (base/subprocess does).  One at a time, before any other thread.
class StopSignals {
 public:
  // `others` are read from fd() too.
  static Result<StopSignals> open(std::initializer_list<int> others = {});
  StopSignals(StopSignals&&) = default;
  StopSignals& operator=(StopSignals&&) = default;
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  ~StopSignals() = default;

  [[nodiscard]] int fd() const { return fd_.get(); }

  struct Signal {
    int number;
    bool is_from_terminal;  // the whole foreground group has it already
  };
  std::optional<Signal> read();

  // From now on Ctrl-C ends the process at once, with status 130.
  static void let_interrupt_end_us();
  // While it lives, Ctrl-C waits: a file is being written whole.
  class Hold {
   public:
    Hold();
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold();
  };

 private:
  explicit StopSignals(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace waggle
