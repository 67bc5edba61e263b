// SPDX-License-Identifier: Apache-2.0
// /dev/kmsg (Documentation/ABI/testing/dev-kmsg): a message each read, "6,339,5140900,-;text", and
// lines of variables after it.
#include "userspace/process/kernel_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <string>

#include "base/file.h"
#include "base/text.h"

namespace waggle {

namespace {

constexpr std::string_view kDigits = "0123456789";

std::optional<pid_t> number_at(std::string_view text, std::size_t at) {
  const std::string_view rest = text.substr(std::min(at, text.size()));
  return parse_number<pid_t>(
      rest.substr(0, std::min(rest.find_first_not_of(kDigits), rest.size())));
}

// "java[123]" up to `end`, which is behind the bracket.
std::optional<pid_t> bracketed_before(std::string_view text, std::size_t end) {
  const std::size_t open = text.substr(0, end).rfind('[');
  return open == std::string_view::npos ? std::nullopt : number_at(text, open + 1);
}

}  // namespace

std::optional<KernelDeath> parse_kernel_death(std::string_view text) {
  // "Out of memory: Killed process 12 (java)", "Memory cgroup out of memory: Kill process 12 ..."
  constexpr std::string_view kMemory = "ut of memory: Kill";
  constexpr std::string_view kProcess = " process ";
  if (const std::size_t at = text.find(kMemory); at != std::string_view::npos) {
    const std::size_t word = text.find(kProcess, at);
    const auto pid =
        word == std::string_view::npos ? std::nullopt : number_at(text, word + kProcess.size());
    return pid ? std::optional(KernelDeath{KernelDeath::Cause::out_of_memory, *pid}) : std::nullopt;
  }
  // "java[12]: segfault at 0 ip ...", "traps: java[12] general protection fault ip:..."
  std::optional<pid_t> pid;
  if (const std::size_t at = text.find("]: segfault at "); at != std::string_view::npos) {
    pid = bracketed_before(text, at);
  } else if (text.starts_with("traps: ")) {
    const std::size_t ip = std::min(text.find(" ip:"), text.size());
    const std::size_t close = text.substr(0, ip).rfind("] ");
    pid = close == std::string_view::npos ? std::nullopt : bracketed_before(text, close);
  }
  return pid ? std::optional(KernelDeath{KernelDeath::Cause::signal, *pid}) : std::nullopt;
}

bool mentions_pid(std::string_view text, pid_t pid) {
  const std::string word = std::to_string(pid);
  const auto is_digit = [&](std::size_t at) {
    return at < text.size() && kDigits.find(text[at]) != std::string_view::npos;
  };
  for (std::size_t at = text.find(word); at != std::string_view::npos;
       at = text.find(word, at + 1)) {
    if ((at == 0 || !is_digit(at - 1)) && !is_digit(at + word.size())) {
      return true;
    }
  }
  return false;
}

Result<KernelLog> KernelLog::open() {
  UniqueFd fd = TRY(open_file("/dev/kmsg", O_RDONLY | O_NONBLOCK));
  if (::lseek(fd.get(), 0, SEEK_END) < 0) {
    return fail_errno("/dev/kmsg", errno);
  }
  return KernelLog(std::move(fd));
}

void KernelLog::take(const std::function<void(std::string_view text)>& on_message) {
  constexpr int kMaxMessages = 1000;
  std::array<char, 8192> buffer;  // the kernel's CONSOLE_EXT_LOG_MAX
  for (int i = 0; i < kMaxMessages; ++i) {
    const ssize_t size = ::read(fd_.get(), buffer.data(), buffer.size());
    if (size < 0 && (errno == EPIPE || errno == EINTR)) {
      continue;  // the next one was overwritten, and is skipped now
    }
    if (size <= 0) {
      return;
    }
    std::string_view text(buffer.data(), static_cast<std::size_t>(size));
    text.remove_prefix(std::min(text.find(';'), text.size() - 1) + 1);
    on_message(text.substr(0, text.find('\n')));
  }
}

}  // namespace waggle
