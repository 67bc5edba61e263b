// SPDX-License-Identifier: Apache-2.0
// A program of tests/programs, running until the end of the test.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/unique_fd.h"

namespace waggle {

class TestProgram {
 public:
  // Returns once the program printed its first line ("ready").
  explicit TestProgram(std::vector<std::string> command) {
    std::array<int, 2> out{};
    CHECK(::pipe2(out.data(), O_CLOEXEC) == 0);
    UniqueFd write_end(out[1]);
    output_ = UniqueFd(out[0]);
    std::vector<char*> arguments;
    for (std::string& word : command) {
      arguments.push_back(word.data());
    }
    arguments.push_back(nullptr);
    pid_ = ::fork();
    CHECK(pid_ >= 0);
    if (pid_ == 0) {
      (void)::dup2(write_end.get(), STDOUT_FILENO);
      if (::getpriority(PRIO_PROCESS, 0) < 0) {
        // A recorder on this thread goes first, and would never run beside programs that do too.
        (void)::setpriority(PRIO_PROCESS, 0, 0);
      }
      ::execvp(arguments[0], arguments.data());
      ::_exit(127);
    }
    write_end.reset();
    first_line_ = read_line();
    CHECK(!first_line_.empty());  // the program could not be started
  }
  TestProgram(const TestProgram&) = delete;
  TestProgram& operator=(const TestProgram&) = delete;
  ~TestProgram() {
    (void)::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] const std::string& first_line() const { return first_line_; }

  // The next line it prints, without the newline; "" at the end of its output.
  std::string read_line() {
    std::string line;
    char c = 0;
    while (::read(output_.get(), &c, 1) == 1 && c != '\n') {
      line += c;
    }
    return line;
  }

 private:
  pid_t pid_ = -1;
  UniqueFd output_;
  std::string first_line_;
};

using CpuTime = std::chrono::nanoseconds;

// User and system time of all threads of a live process (clock_getcpuclockid(3)).
inline CpuTime cpu_time_of(pid_t pid) {
  clockid_t clock{};
  timespec time{};
  CHECK(::clock_getcpuclockid(pid, &clock) == 0);
  CHECK(::clock_gettime(clock, &time) == 0);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace waggle
