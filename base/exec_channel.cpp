// SPDX-License-Identifier: Apache-2.0
#include "base/exec_channel.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace waggle {

namespace {

constexpr int kExecFailedStatus = 127;  // as a shell's

// Of exactly one value; false at end of file.
template <class T>
bool receive(int fd, T& value) {
  ssize_t count = 0;
  do {
    count = ::recv(fd, &value, sizeof(value), MSG_WAITALL);
  } while (count < 0 && errno == EINTR);
  return count == static_cast<ssize_t>(sizeof(value));
}

// MSG_NOSIGNAL: the other side may be gone, and SIGPIPE would end us.
template <class T>
bool send_value(int fd, const T& value) {
  ssize_t count = 0;
  do {
    count = ::send(fd, &value, sizeof(value), MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  return count == static_cast<ssize_t>(sizeof(value));
}

}  // namespace

Result<UniqueFd> above_stdio(UniqueFd fd) {
  if (fd.get() > STDERR_FILENO) {
    return fd;
  }
  const int higher = ::fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (higher < 0) {
    return fail_errno("fcntl", errno);
  }
  return UniqueFd(higher);
}

Result<ExecChannel> ExecChannel::open() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return fail_errno("socketpair", errno);
  }
  UniqueFd parent_end(ends[0]);
  UniqueFd child_end(ends[1]);
  return ExecChannel(TRY(above_stdio(std::move(parent_end))),
                     TRY(above_stdio(std::move(child_end))));
}

void ExecChannel::become_child() {
  parent_end_.reset();
}

void ExecChannel::await_release() const {
  char go = 0;
  if (!receive(child_end_.get(), go)) {
    ::_exit(kExecFailedStatus);
  }
}

void ExecChannel::report_and_exit(int error_number) const {
  (void)send_value(child_end_.get(), error_number);  // no parent, nobody to tell
  ::_exit(kExecFailedStatus);
}

Result<> ExecChannel::release() const {
  if (!send_value(parent_end_.get(), char{1})) {
    return fail_errno("the process that was to run it has ended", errno);
  }
  return {};
}

Result<> ExecChannel::await_exec(const std::string& noun) const {
  int error_number = 0;
  if (receive(parent_end_.get(), error_number)) {
    return fail_errno(noun, error_number);
  }
  return {};
}

void unblock_signals() {
  sigset_t none;
  ::sigemptyset(&none);
  (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void reset_signal_handlers() {
  struct sigaction action{};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) {
    (void)::sigaction(signal, &action, nullptr);  // SIGKILL and SIGSTOP refuse
  }
}

std::vector<char*> exec_words(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) {
    pointers.push_back(word.data());
  }
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace waggle
