// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/file.h"

namespace waggle {

namespace {

// The alternate screen, so that what was there comes back; no cursor.
constexpr std::string_view kTake = "\x1b[?1049h\x1b[?25l\x1b[2J";
constexpr std::string_view kGiveBack = "\x1b[?25h\x1b[?1049l";
constexpr std::string_view kHome = "\x1b[H";

}  // namespace

bool Terminal::is_there() {
  return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1;
}

Result<Terminal> Terminal::open() {
  termios before{};
  if (::tcgetattr(STDIN_FILENO, &before) != 0) {
    return fail_errno("the terminal's settings", errno);
  }
  termios keys = before;
  keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  keys.c_iflag &= ~static_cast<tcflag_t>(IXON);  // Ctrl-S would stop us in a write
  keys.c_cc[VMIN] = 0;                           // read() does not wait
  keys.c_cc[VTIME] = 0;
  keys.c_cc[VSUSP] = _POSIX_VDISABLE;  // Ctrl-Z would leave the shell this screen
  if (::tcsetattr(STDIN_FILENO, TCSANOW, &keys) != 0) {
    return fail_errno("the terminal's settings", errno);
  }
  Terminal terminal(before);
  TRY(write_all(STDOUT_FILENO, kTake));
  return terminal;
}

Terminal::Terminal(Terminal&& other) noexcept
    : before_(other.before_), is_taken_(std::exchange(other.is_taken_, false)) {}

Terminal::~Terminal() {
  if (is_taken_) {
    // A terminal that is gone needs neither.
    (void)write_all(STDOUT_FILENO, kGiveBack);
    (void)::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
}

int Terminal::fd() const {
  return STDIN_FILENO;
}

Result<std::string> Terminal::read() {
  std::array<char, 256> bytes{};
  const ssize_t count = ::read(STDIN_FILENO, bytes.data(), bytes.size());
  if (count > 0) {
    return std::string(bytes.data(), static_cast<std::size_t>(count));
  }
  if (count < 0 && errno != EINTR && errno != EAGAIN) {
    return fail_errno("the terminal", errno);
  }
  if (::isatty(STDIN_FILENO) != 1) {
    return fail(Errc::not_found, "the terminal is gone");
  }
  return std::string();
}

ScreenSize Terminal::size() const {
  constexpr ScreenSize kUsual = {.rows = 24, .columns = 80};
  winsize window{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_row == 0 ||
      window.ws_col == 0) {
    return kUsual;
  }
  return {.rows = window.ws_row, .columns = window.ws_col};
}

Result<> Terminal::show(std::string_view screen) {
  std::string text(kHome);
  text.append(screen);
  return write_all(STDOUT_FILENO, text);
}

}  // namespace waggle
