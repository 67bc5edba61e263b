// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/tool_recording.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>

#include "base/file.h"
#include "base/text.h"
#include "userspace/process/proc_fs.h"

namespace waggle {

namespace {

constexpr char kStopped = 'T';
constexpr char kZombie = 'Z';

// A link or a fifo is not what it wrote, whoever put it there.
std::optional<UniqueFd> open_and_unlink(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat status{};
  const bool is_file = fd.is_open() && ::fstat(fd.get(), &status) == 0 && S_ISREG(status.st_mode);
  (void)::unlink(path.c_str());
  return is_file ? std::optional(std::move(fd)) : std::nullopt;
}

// A process that waits for its CPU stops when it gets it: till then the signal is pending.
bool is_about_to_stop(pid_t pid) {
  constexpr std::string_view kPending = "\nShdPnd:\t";  // of the process, not of a thread
  constexpr int kHexadecimal = 16;
  constexpr std::uint64_t kStop = std::uint64_t{1} << (SIGSTOP - 1);
  const auto status = read_file(fmt::format("/proc/{}/status", pid), 65536);
  const std::size_t at = status ? status->find(kPending) : std::string::npos;
  if (at == std::string::npos) {
    return false;
  }
  std::string_view number = std::string_view(*status).substr(at + kPending.size());
  number = number.substr(0, number.find('\n'));
  return (parse_number<std::uint64_t>(number, kHexadecimal).value_or(0) & kStop) != 0;
}

std::uint64_t size_of(const UniqueFd& file) {
  struct stat status{};
  return ::fstat(file.get(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

bool is_ended_by(const ToolEnd& end, int signal) {
  return !end.is_killed && WIFSIGNALED(end.wait_status) && WTERMSIG(end.wait_status) == signal;
}

}  // namespace

Result<ToolRecording> ToolRecording::start(const ToolCall& call, pid_t target) {
  const ProcStat stat = TRY(ProcFs().read_stat(static_cast<std::uint32_t>(target)));
  ToolOptions options;
  options.variables = call.variables;
  options.file_bytes = call.output_bytes;
  options.nice = call.nice;
  SupervisedTool tool =
      TRY(SupervisedTool::start(call.command, std::move(options), [](std::string_view) {}));
  ToolRecording recording(std::move(tool), target, call);
  recording.start_ticks_ = stat.start_ticks;
  recording.was_stopped_ = stat.state == kStopped;
  return recording;
}

Result<UniqueFd> ToolRecording::take_output(const ToolEnd& end) {
  std::optional<UniqueFd> file = open_and_unlink(output_);
  if (!end.is_ok()) {
    if (is_ended_by(end, SIGINT)) {
      return fail(Errc::system, name_ + " had not begun to sample");
    }
    if (!end.is_killed && WIFEXITED(end.wait_status) && !is_target_alive()) {
      // rbspy writes what it has, and fails then.
      if (file && size_of(*file) > 0) {
        return *std::move(file);
      }
      return fail(Errc::not_found, "process went down during profiling");
    }
    return fail(Errc::system, fmt::format("{} {}", name_, end.text()));
  }
  if (!file) {
    return fail(Errc::system, name_ + " wrote no file");
  }
  return *std::move(file);
}

bool ToolRecording::is_target_alive() const {
  const Result<ProcStat> stat = ProcFs().read_stat(static_cast<std::uint32_t>(target_));
  return stat && stat->start_ticks == start_ticks_ && stat->state != kZombie;
}

bool ToolRecording::resume_target() {
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, target_, 0)));
  const Result<ProcStat> stat = ProcFs().read_stat(static_cast<std::uint32_t>(target_));
  // What is stopped does not end, and nobody else gets its pid: kill(2) where there are no pidfds.
  const bool is_left_stopped = stat && stat->start_ticks == start_ticks_ && !was_stopped_ &&
                               (stat->state == kStopped || is_about_to_stop(target_));
  if (!is_left_stopped) {
    return false;
  }
  if (!process.is_open()) {
    return ::kill(target_, SIGCONT) == 0;
  }
  return ::syscall(SYS_pidfd_send_signal, process.get(), SIGCONT, nullptr, 0) == 0;
}

Result<> read_pieces(int fd, std::uint64_t limit,
                     const std::function<void(std::string_view)>& take) {
  std::array<char, 65536> buffer;
  for (std::uint64_t left = limit; left > 0;) {
    const ssize_t count = ::read(fd, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return fail_errno("what it wrote", errno);
    }
    if (count == 0) {
      return {};
    }
    const std::size_t size = static_cast<std::size_t>(count) < left
                                 ? static_cast<std::size_t>(count)
                                 : static_cast<std::size_t>(left);
    take({buffer.data(), size});
    left -= size;
  }
  return {};
}

}  // namespace waggle
