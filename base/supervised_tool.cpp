// SPDX-License-Identifier: Apache-2.0
#include "base/supervised_tool.h"

#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/text.h"

namespace waggle {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

// What is there now, a piece at most; closes `fd` at its end.
std::string_view read_piece(UniqueFd& fd, std::span<char> buffer) {
  ssize_t count = 0;
  do {
    count = ::read(fd.get(), buffer.data(), buffer.size());
  } while (count < 0 && errno == EINTR);
  if (count == 0 || (count < 0 && errno != EAGAIN)) {
    fd.reset();
  }
  return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0))};
}

}  // namespace

std::string ToolEnd::text() const {
  if (is_killed) {
    return "had to be killed";
  }
  if (WIFSIGNALED(wait_status)) {
    return fmt::format("was ended by signal {}", WTERMSIG(wait_status));
  }
  return fmt::format("exited with status {}", WEXITSTATUS(wait_status));
}

Result<SupervisedTool> SupervisedTool::start(std::span<const std::string> command,
                                             ToolOptions options, Take take) {
  options.has_errors_apart = true;
  return SupervisedTool(TRY(start_tool(command, options)), std::move(take));
}

void SupervisedTool::read_errors() {
  std::array<char, 4096> buffer;
  if (!tool_.errors.is_open()) {
    return;
  }
  last_words_ += read_piece(tool_.errors, buffer);
  if (last_words_.size() > kLastWordsBytes) {
    last_words_.erase(0, last_words_.size() - kLastWordsBytes);
  }
}

void SupervisedTool::read() {
  read_errors();
  std::array<char, kPieceBytes> buffer;
  if (tool_.output.is_open()) {
    if (const std::string_view piece = read_piece(tool_.output, buffer); !piece.empty()) {
      take_(piece);
    }
  }
}

std::optional<ToolEnd> SupervisedTool::poll_end() {
  const std::optional<int> status = tool_.process.poll_exit();
  return status ? std::optional(ToolEnd{.wait_status = *status,
                                        .is_killed = is_killed_,
                                        .cpu_time = tool_.process.cpu_time()})
                : std::nullopt;
}

bool SupervisedTool::wait_until(steady_clock::time_point deadline) {
  constexpr milliseconds kSlice(10);  // where there is no pidfd to wake us
  while (!tool_.process.poll_exit()) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    if (left <= milliseconds(0)) {
      return false;
    }
    const milliseconds pause = tool_.process.pidfd() < 0 ? std::min(left, kSlice) : left;
    std::array<pollfd, 3> wait = {
        pollfd{.fd = tool_.process.pidfd(), .events = POLLIN, .revents = 0},
        pollfd{.fd = output_fd(), .events = POLLIN, .revents = 0},
        pollfd{.fd = errors_fd(), .events = POLLIN, .revents = 0}};
    (void)::poll(wait.data(), wait.size(), static_cast<int>(pause.count()));  // we look again
    read();
  }
  drain();
  return true;
}

// The rest of what an ended tool has left in its pipes.
void SupervisedTool::drain() {
  constexpr int kMaxPieces = 64;  // a pipe holds far less, unless somebody else writes to it
  for (int i = 0; i < kMaxPieces && (tool_.output.is_open() || tool_.errors.is_open()); ++i) {
    read();
  }
}

ToolEnd SupervisedTool::stop(milliseconds grace) {
  (void)send_signal(SIGINT);  // it may have ended
  return wait_until(steady_clock::now() + grace) ? *poll_end() : kill();
}

ToolEnd SupervisedTool::kill() {
  if (!tool_.process.poll_exit()) {
    is_killed_ = true;
    (void)tool_.process.end();
  }
  drain();
  return *poll_end();
}

std::string last_line_of(std::string_view words) {
  constexpr std::size_t kMaxBytes = 160;
  const auto lines = split(words, '\n');
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    if (line->find_first_not_of(" \t\r[]") != std::string_view::npos) {
      return printable(line->substr(0, kMaxBytes));
    }
  }
  return "it said nothing";
}

}  // namespace waggle
