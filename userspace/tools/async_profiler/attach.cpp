// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/async_profiler/attach.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/child_process.h"
#include "base/text.h"
#include "userspace/tools/target_root.h"

namespace waggle {

namespace {

constexpr auto kTemporary = "/tmp";  // HotSpot's, whatever java.io.tmpdir says
constexpr std::chrono::seconds kConnectTime(1);

// A socket of the JVM's own user, nobody's link.
Result<UniqueFd> find_socket(int temporary, const Jvm& jvm) {
  const std::string name = fmt::format(".java_pid{}", jvm.status.innermost_pid);
  UniqueFd handle(::openat(temporary, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!handle.is_open()) {
    return fail_errno(name, errno);
  }
  struct stat status{};
  if (::fstat(handle.get(), &status) != 0) {
    return fail_errno(name, errno);
  }
  if (!S_ISSOCK(status.st_mode)) {
    return fail(Errc::permission, name + " is no socket");
  }
  if (status.st_uid != jvm.status.effective_uid) {
    return fail(Errc::permission, name + " is of another user than the JVM");
  }
  return handle;
}

sockaddr_un address_of(int handle) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const auto end =
      fmt::format_to_n(address.sun_path, sizeof(address.sun_path) - 1, "/proc/self/fd/{}", handle);
  *end.out = '\0';
  return address;
}

int connect_here(int socket, const sockaddr_un& address) {
  const int failed =
      ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  return failed == 0 ? 0 : errno;
}

// The JVM looks at who connects: a child that is that user does.  Nothing but system calls after
// fork.
Result<int> connect_as(const ProcStatus& who, int socket, const sockaddr_un& address) {
  keep_exit_statuses();
  const pid_t pid = ::fork();
  if (pid < 0) {
    return fail_errno("fork", errno);
  }
  if (pid == 0) {
    const bool is_other = ::syscall(SYS_setresgid, -1, who.effective_gid, -1) == 0 &&
                          ::syscall(SYS_setresuid, -1, who.effective_uid, -1) == 0;
    ::_exit(is_other ? connect_here(socket, address) : errno);
  }
  ChildProcess child(pid, ChildProcess::Group::ours);
  if (!child.wait_for(kConnectTime)) {
    return ETIMEDOUT;
  }
  const int status = child.poll_exit().value_or(-1);
  return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

}  // namespace

Result<int> parse_load_reply(std::string_view text) {
  const std::size_t end = text.find('\n');
  const auto status = parse_number<int>(text.substr(0, end));
  if (!status) {
    return fail(Errc::malformed, "the JVM has not answered as a JVM does");
  }
  std::string_view rest = end == std::string_view::npos ? "" : text.substr(end + 1);
  constexpr std::string_view kCode = "return code: ";  // not of JDK 8
  rest = rest.substr(rest.starts_with(kCode) ? kCode.size() : 0);
  const auto code = parse_number<int>(rest.substr(0, rest.find('\n')));
  if (*status == 0 && code) {
    return *code;
  }
  // Newer ones tell status 0 and what went wrong.
  const std::string_view reason = rest.substr(0, rest.find_last_not_of('\n') + 1);
  constexpr std::size_t kMaxReason = 300;
  return fail(Errc::system, fmt::format("the JVM has refused it: {}",
                                        reason.empty() ? fmt::format("status {}", *status)
                                                       : printable(reason.substr(0, kMaxReason))));
}

Result<JvmLoad> JvmLoad::prepare(const Jvm& jvm, std::string_view library, std::string_view options,
                                 Clock::time_point deadline) {
  if (library.size() > kMaxFieldBytes || options.size() > kMaxFieldBytes) {
    return fail(Errc::exhausted, "more options than a JVM takes");
  }
  std::string message;
  for (const std::string_view field : {std::string_view("1"), std::string_view("load"), library,
                                       std::string_view("true"), options}) {
    message.append(field).push_back('\0');
  }
  JvmLoad load(jvm, std::move(message), deadline);
  const UniqueFd root = TRY(jvm.open_root());
  load.temporary_ = TRY(open_directory_in_root(root.get(), kTemporary));
  return load;
}

Result<JvmLoad> JvmLoad::start(const Jvm& jvm, std::string_view library, std::string_view options,
                               Clock::time_point deadline) {
  JvmLoad load = TRY(prepare(jvm, library, options, deadline));
  if (!TRY(load.connect())) {
    TRY(load.ask_for_socket());
  }
  return load;
}

bool JvmLoad::tell(const Jvm& jvm, std::string_view library, std::string_view options) {
  auto load = prepare(jvm, library, options, Clock::now());
  return load && load->connect().value_or(false);
}

Result<> JvmLoad::ask_for_socket() {
  std::string name = fmt::format(".attach_pid{}", jvm_->status.innermost_pid);
  const UniqueFd file(::openat(temporary_.get(), name.c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.is_open() && errno != EEXIST) {
    return fail_errno(fmt::format("{}/{}", kTemporary, name), errno);
  }
  const ProcStatus& who = jvm_->status;
  if (!file.is_open()) {
    // Of somebody who was ended while he attached; the JVM believes its own user alone.
    const auto status = TRY(status_at(temporary_.get(), name));
    if (!S_ISREG(status.st_mode) || status.st_uid != who.effective_uid) {
      return fail(Errc::permission, fmt::format("{}/{} is of somebody else", kTemporary, name));
    }
  } else if (::fchown(file.get(), who.effective_uid, who.effective_gid) != 0) {
    const int error = errno;
    (void)::unlinkat(temporary_.get(), name.c_str(), 0);
    return fail_errno(name, error);
  }
  trigger_ = std::move(name);
  return jvm_->send_caught(SIGQUIT, "the JVM");
}

void JvmLoad::remove_trigger() {
  if (!trigger_.empty()) {
    (void)::unlinkat(temporary_.get(), trigger_.c_str(), 0);  // HotSpot may do it itself
    trigger_.clear();
  }
}

// False: there is no socket yet, or nobody behind it.
Result<bool> JvmLoad::connect() {
  const auto handle = find_socket(temporary_.get(), *jvm_);
  if (!handle) {
    return handle.error().code == Errc::not_found ? Result<bool>(false)
                                                  : std::unexpected(handle.error());
  }
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) {
    return fail_errno("socket", errno);
  }
  const sockaddr_un address = address_of(handle->get());
  const ProcStatus& who = jvm_->status;
  const bool are_we = ::geteuid() == who.effective_uid && ::getegid() == who.effective_gid;
  const int error =
      are_we ? connect_here(socket.get(), address) : TRY(connect_as(who, socket.get(), address));
  if (error == ECONNREFUSED || error == EAGAIN) {
    return false;
  }
  if (error != 0) {
    return fail_errno("connect to the JVM", error);
  }
  remove_trigger();
  const ssize_t sent = ::send(socket.get(), message_.data(), message_.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(message_.size())) {
    return fail_errno("send to the JVM", sent < 0 ? errno : EIO);
  }
  socket_ = std::move(socket);
  return true;
}

std::optional<Result<int>> JvmLoad::read() {
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t size = ::read(socket_.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) {
      continue;
    }
    if (size < 0 && errno == EAGAIN) {
      return std::nullopt;
    }
    if (size < 0) {
      return fail_errno("the JVM's answer", errno);
    }
    if (size == 0) {
      return parse_load_reply(reply_);
    }
    reply_.append(buffer.data(), static_cast<std::size_t>(size));
    if (reply_.size() > kMaxReplyBytes) {
      return fail(Errc::exhausted, "the JVM answers without end");
    }
  }
}

std::optional<Result<int>> JvmLoad::poll() {
  if (!socket_.is_open()) {
    if (!jvm_->is_alive()) {
      return fail(Errc::not_found, "the JVM has ended");
    }
    if (const Result<bool> is_connected = connect(); !is_connected) {
      return std::unexpected(is_connected.error());
    }
  }
  if (socket_.is_open()) {
    if (auto end = read()) {
      return end;
    }
  }
  if (Clock::now() >= deadline_) {
    return fail(Errc::exhausted, give_up());
  }
  return std::nullopt;
}

std::string JvmLoad::give_up() {
  remove_trigger();
  return "the JVM does not answer";
}

}  // namespace waggle
