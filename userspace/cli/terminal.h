// SPDX-License-Identifier: Apache-2.0
// A terminal taken for a whole screen: keys come one by one, and it is given back as it was.  Not
// for what is on the screen.
#pragma once

#include <termios.h>

#include <string>
#include <string_view>

#include "base/result.h"
#include "userspace/output/live_text.h"

namespace waggle {

class Terminal {
 public:
  // Whether both stdin and stdout are one.
  static bool is_there();
  // Takes it; Errc of the call that failed.
  static Result<Terminal> open();
  Terminal(Terminal&& other) noexcept;
  Terminal& operator=(Terminal&&) = delete;
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal();

  // Readable when a key was pressed.
  [[nodiscard]] int fd() const;
  // What was typed since the last call; the error is Errc::not_found when the terminal is gone.
  Result<std::string> read();
  // As it is now: a window can change.  80 by 24 where it does not tell.
  [[nodiscard]] ScreenSize size() const;
  // From the upper left corner on.
  Result<> show(std::string_view screen);

 private:
  explicit Terminal(const termios& before) : before_(before) {}
  termios before_;
  bool is_taken_ = true;
};

}  // namespace waggle
