// SPDX-License-Identifier: Apache-2.0
#include "base/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include "base/check.h"
#include "base/exec_channel.h"
#include "base/file.h"

namespace waggle {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

std::vector<std::string> small_environment() {
  std::vector<std::string> variables;
  for (const char* name : {"PATH", "HOME", "LANG"}) {
    if (const char* value = std::getenv(name)) {
      variables.push_back(std::string(name) + '=' + value);
    }
  }
  return variables;
}

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};

Result<Pipe> open_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return fail_errno("pipe", errno);
  }
  Pipe pipe{.read_end = UniqueFd(ends[0]), .write_end = UniqueFd(ends[1])};
  pipe.write_end = TRY(above_stdio(std::move(pipe.write_end)));
  // Ours alone: the tool's end is another open file description.
  if (::fcntl(pipe.read_end.get(), F_SETFL, O_NONBLOCK) != 0) {
    return fail_errno("fcntl", errno);
  }
  return pipe;
}

struct ToolStart {
  pid_t parent;
  int input_fd;
  int output_fd;
  int error_fd;
  std::uint64_t file_bytes;
  int nice;
  char* const* words;
  char* const* environment;
};

void limit(int resource, rlim_t most) {
  const rlimit both = {.rlim_cur = most, .rlim_max = most};
  (void)::setrlimit(resource, &both);  // may be lower already
}

// After fork: only what is safe there.
[[noreturn]] void run_child(ExecChannel& channel, const ToolStart& start) {
  channel.become_child();
  ::setsid();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != start.parent) {
    ::_exit(EXIT_FAILURE);  // it was gone before prctl()
  }
  reset_signal_handlers();
  unblock_signals();
  limit(RLIMIT_CORE, 0);
  if (start.file_bytes != 0) {
    limit(RLIMIT_FSIZE, start.file_bytes);
  }
  if (start.nice != 0) {
    (void)::setpriority(PRIO_PROCESS, 0, ::getpriority(PRIO_PROCESS, 0) + start.nice);
  }
  if (::dup2(start.input_fd, STDIN_FILENO) < 0 || ::dup2(start.output_fd, STDOUT_FILENO) < 0 ||
      ::dup2(start.error_fd, STDERR_FILENO) < 0) {
    channel.report_and_exit(errno);
  }
  // What a library opened without O_CLOEXEC; kernels before 5.11 refuse, and ours have the flag.
  constexpr unsigned kCloseOnExec = 1U << 2;  // CLOSE_RANGE_CLOEXEC
  (void)::syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, kCloseOnExec);
  ::execve(start.words[0], start.words, start.environment);
  channel.report_and_exit(errno);
}

// A descriptor of our own above 2: what the tool shall read, or nothing.
Result<UniqueFd> open_input(int fd) {
  if (fd < 0) {
    return above_stdio(TRY(open_file("/dev/null", O_RDONLY)));
  }
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!copy.is_open()) {
    return fail_errno("fcntl", errno);
  }
  return copy;
}

// What is there now, `limit_bytes` in all at most.  False once there is no more to come.
bool read_available(int fd, std::string& output, std::size_t limit_bytes) {
  std::array<char, 4096> buffer;
  while (output.size() < limit_bytes) {
    const std::size_t wanted = std::min(buffer.size(), limit_bytes - output.size());
    const ssize_t count = ::read(fd, buffer.data(), wanted);
    if (count > 0) {
      output.append(buffer.data(), static_cast<std::size_t>(count));
    } else if (count == 0 || (errno != EINTR && errno != EAGAIN)) {
      return false;
    } else if (errno == EAGAIN) {
      return true;
    }
  }
  return true;
}

}  // namespace

Result<Tool> start_tool(std::span<const std::string> command, const ToolOptions& options) {
  CHECK(!command.empty());
  std::vector<std::string> words(command.begin(), command.end());
  std::vector<std::string> variables = small_environment();
  variables.insert(variables.end(), options.variables.begin(), options.variables.end());
  const std::vector<char*> word_pointers = exec_words(words);
  const std::vector<char*> variable_pointers = exec_words(variables);
  const UniqueFd input = TRY(open_input(options.input_fd));
  Pipe output = TRY(open_pipe());
  Pipe errors;
  if (options.has_errors_apart) {
    errors = TRY(open_pipe());
  }
  const UniqueFd& error_end = options.has_errors_apart ? errors.write_end : output.write_end;
  ExecChannel channel = TRY(ExecChannel::open());
  const ToolStart start{.parent = ::getpid(),
                        .input_fd = input.get(),
                        .output_fd = output.write_end.get(),
                        .error_fd = error_end.get(),
                        .file_bytes = options.file_bytes,
                        .nice = options.nice,
                        .words = word_pointers.data(),
                        .environment = variable_pointers.data()};
  keep_exit_statuses();
  const pid_t pid = ::fork();
  if (pid < 0) {
    return fail_errno("fork", errno);
  }
  if (pid == 0) {
    run_child(channel, start);
  }
  ChildProcess process(pid, ChildProcess::Group::own);
  channel.become_parent();
  TRY(channel.await_exec(words.front()));
  return Tool{.process = std::move(process),
              .output = std::move(output.read_end),
              .errors = std::move(errors.read_end)};
}

Result<ToolRun> run_tool(std::span<const std::string> command, const ToolLimits& limits) {
  constexpr milliseconds kSlice(10);  // where there is no pidfd to wake us
  const auto deadline = steady_clock::now() + limits.deadline;
  Tool tool = TRY(start_tool(command));
  ToolRun run{.end = ToolRun::End::exited, .wait_status = 0, .output = {}};
  bool has_more = true;
  while (!tool.process.poll_exit()) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    if (left <= milliseconds(0)) {
      run.end = ToolRun::End::past_deadline;
      break;
    }
    const milliseconds pause = tool.process.pidfd() < 0 ? std::min(left, kSlice) : left;
    std::array<pollfd, 2> wait = {
        pollfd{.fd = tool.process.pidfd(), .events = POLLIN, .revents = 0},
        pollfd{.fd = has_more ? tool.output.get() : -1, .events = POLLIN, .revents = 0}};
    (void)::poll(wait.data(), wait.size(), static_cast<int>(pause.count()));  // we look again
    has_more = has_more && read_available(tool.output.get(), run.output, limits.output_bytes);
    if (run.output.size() >= limits.output_bytes) {
      run.end = ToolRun::End::past_output_limit;
      break;
    }
  }
  run.wait_status = tool.process.end();
  (void)read_available(tool.output.get(), run.output, limits.output_bytes);  // its last words
  return run;
}

}  // namespace waggle
