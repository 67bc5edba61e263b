// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace waggle {

Result<UniqueFd> open_file(const std::string& path, int flags, mode_t mode) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) {
    return fail_errno(path, errno);
  }
  return UniqueFd(fd);
}

Result<std::string> read_all(int fd, std::size_t limit_bytes) {
  constexpr std::size_t kChunkBytes = 16384;
  std::string text;
  for (;;) {
    const std::size_t used = text.size();
    text.resize(used + kChunkBytes);
    const ssize_t count = ::read(fd, text.data() + used, kChunkBytes);
    if (count < 0 && errno == EINTR) {
      text.resize(used);
      continue;
    }
    if (count < 0) {
      return fail_errno("read", errno);
    }
    text.resize(used + static_cast<std::size_t>(count));
    if (count == 0) {
      return text;
    }
    if (text.size() > limit_bytes) {
      return fail(Errc::exhausted, fmt::format("more than {} bytes", limit_bytes));
    }
  }
}

Result<std::string> read_file(const std::string& path, std::size_t limit_bytes) {
  const UniqueFd fd = TRY(open_file(path, O_RDONLY));
  Result<std::string> text = read_all(fd.get(), limit_bytes);
  if (!text) {
    return add_context(path, std::move(text).error());
  }
  return text;
}

Result<std::size_t> read_at(int fd, std::uint64_t offset, std::span<std::byte> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t count =
        ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return fail_errno("pread", errno);
    }
    if (count == 0) {
      break;
    }
    done += static_cast<std::size_t>(count);
  }
  return done;
}

Result<> write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return fail_errno("write", errno);
    }
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

namespace {

// close() reports errors that write() deferred (a full disk over NFS, for one).
Result<> write_and_close(UniqueFd fd, std::string_view text) {
  TRY(write_all(fd.get(), text));
  if (::close(fd.release()) != 0) {
    return fail_errno("close", errno);
  }
  return {};
}

}  // namespace

Result<> write_file_atomically(const std::string& path, std::string_view text) {
  const std::string temporary = fmt::format("{}.tmp.{}", path, ::getpid());
  UniqueFd fd(
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!fd.is_open()) {
    return fail_errno(path, errno);  // the name people gave, not the temporary one
  }
  Result<> written = write_and_close(std::move(fd), text);
  if (written && ::rename(temporary.c_str(), path.c_str()) != 0) {
    written = fail_errno("rename", errno);
  }
  if (!written) {
    (void)::unlink(temporary.c_str());  // the first error is the one worth reporting
    return add_context(path, std::move(written).error());
  }
  return {};
}

}  // namespace waggle
