// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/async_profiler/jvm.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "userspace/process/proc_fs.h"
#include "userspace/process/proc_maps.h"

namespace waggle {

namespace {

constexpr std::string_view kProfiler = "libasyncProfiler.so";

struct Libraries {
  std::string jvm;
  bool has_openj9 = false;
  bool has_musl = false;
  std::string profiler;
};

void note_library(std::string_view path, Libraries& libraries) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  if (name == "libjvm.so") {
    libraries.jvm = path;
  }
  libraries.has_openj9 |= name.starts_with("libj9vm");
  libraries.has_musl |= name.starts_with("ld-musl-");
  if (name == kProfiler) {
    libraries.profiler = path;
  }
}

Result<Libraries> read_libraries(int directory) {
  const UniqueFd maps(::openat(directory, "maps", O_RDONLY | O_CLOEXEC));
  if (!maps.is_open()) {
    return fail_errno("maps", errno);
  }
  Libraries libraries;
  TRY(read_maps(maps.get(), MapsFilter::executable, [&](const MapsEntry& entry) {
    if (entry.inode != 0) {
      note_library(entry.path, libraries);
    }
  }));
  return libraries;
}

// The kernel tells a path from our root; below a chroot that is longer than the process' own.
std::string path_in_root(int directory, std::string path) {
  std::array<char, 4096> root{};
  const ssize_t size = ::readlinkat(directory, "root", root.data(), root.size());
  const std::string_view prefix(root.data(), size > 1 ? static_cast<std::size_t>(size) : 0);
  const bool is_below = !prefix.empty() && path.starts_with(prefix) &&
                        path.size() > prefix.size() && path[prefix.size()] == '/';
  return is_below ? path.substr(prefix.size()) : path;
}

// Words of /proc/PID/cmdline or environ.
bool mentions(int directory, const char* file, std::string_view word) {
  constexpr std::size_t kMaxBytes = std::size_t{4} << 20;
  const UniqueFd fd(::openat(directory, file, O_RDONLY | O_CLOEXEC));
  const auto text = fd.is_open() ? read_all(fd.get(), kMaxBytes) : Result<std::string>("");
  return text && text->find(word) != std::string::npos;
}

}  // namespace

bool Jvm::is_alive() const {
  constexpr char kZombie = 'Z';
  const auto stat = read_stat_at(directory.get());
  return stat && stat->state != kZombie;
}

bool Jvm::is_starting() const {
  constexpr std::chrono::seconds kStart(5);
  return age_of(start_ticks) < kStart;
}

Result<UniqueFd> Jvm::open_root() const {
  UniqueFd root(::openat(directory.get(), "root", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root.is_open()) {
    return fail_errno(fmt::format("/proc/{}/root", pid), errno);
  }
  return root;
}

Result<std::optional<Jvm>> find_jvm(pid_t pid) {
  Jvm jvm;
  jvm.pid = pid;
  jvm.directory = TRY(open_file(fmt::format("/proc/{}", pid), O_PATH | O_DIRECTORY));
  Libraries libraries = TRY(read_libraries(jvm.directory.get()));
  if (libraries.jvm.empty()) {
    return std::nullopt;
  }
  jvm.start_ticks = TRY(read_stat_at(jvm.directory.get())).start_ticks;
  jvm.status = TRY(read_status_at(jvm.directory.get()));
  jvm.library = path_in_root(jvm.directory.get(), std::move(libraries.jvm));
  jvm.is_openj9 = libraries.has_openj9;
  jvm.is_musl = libraries.has_musl;
  jvm.profiler = path_in_root(jvm.directory.get(), std::move(libraries.profiler));
  return std::optional(std::move(jvm));
}

std::optional<AttachRefusal> why_not_to_attach(const Jvm& jvm) {
  if (jvm.is_openj9) {
    return AttachRefusal{.reason = "profiling this JVM is not supported", .may_pass = false};
  }
  constexpr std::string_view kRefusal = "+DisableAttachMechanism";
  for (const char* file : {"cmdline", "environ"}) {
    if (mentions(jvm.directory.get(), file, kRefusal)) {
      return AttachRefusal{.reason = "this JVM refuses it (-XX:+DisableAttachMechanism)",
                           .may_pass = false};
    }
  }
  const auto status = read_status_at(jvm.directory.get());
  if (!status || !status->catches(SIGQUIT)) {
    return AttachRefusal{.reason = "this JVM does not handle SIGQUIT (-Xrs?)", .may_pass = true};
  }
  return std::nullopt;
}

}  // namespace waggle
