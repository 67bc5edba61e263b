// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/async_profiler/jvm.h"

#include <fcntl.h>
#include <signal.h>

#include <cerrno>
#include <cstdint>
#include <string_view>
#include <utility>

#include "base/unique_fd.h"
#include "userspace/process/proc_maps.h"

namespace waggle {

namespace {

struct Libraries {
  std::string jvm;
  bool has_openj9 = false;
  bool has_musl = false;
  std::string profiler;
  std::uint64_t profiler_start = 0, profiler_end = 0;
};

void note_library(const MapsEntry& entry, Libraries& libraries) {
  const std::string_view path = entry.path;
  const std::string_view name = path.substr(path.rfind('/') + 1);
  if (name == "libjvm.so") {
    libraries.jvm = path;
  }
  libraries.has_openj9 |= name.starts_with("libj9vm");
  libraries.has_musl |= name.starts_with("ld-musl-");
  if (name == kAsyncProfilerLibrary) {
    libraries.profiler = path;
    libraries.profiler_start = entry.start;
    libraries.profiler_end = entry.end;
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
      note_library(entry, libraries);
    }
  }));
  return libraries;
}

}  // namespace

Result<std::optional<Jvm>> find_jvm(pid_t pid) {
  Jvm jvm;
  TRY(jvm.open(pid));
  Libraries libraries = TRY(read_libraries(jvm.directory.get()));
  if (libraries.jvm.empty()) {
    return std::nullopt;
  }
  TRY(jvm.identify());
  jvm.library = path_in_root_of(jvm, std::move(libraries.jvm));
  jvm.is_openj9 = libraries.has_openj9;
  jvm.is_musl = libraries.has_musl;
  jvm.profiler = path_in_root_of(jvm, std::move(libraries.profiler));
  jvm.profiler_start = libraries.profiler_start;
  jvm.profiler_end = libraries.profiler_end;
  return std::optional(std::move(jvm));
}

std::optional<AttachRefusal> why_not_to_attach(const Jvm& jvm) {
  if (jvm.is_openj9) {
    return AttachRefusal{.reason = "profiling this JVM is not supported", .may_pass = false};
  }
  constexpr std::string_view kRefusal = "+DisableAttachMechanism";
  for (const char* file : {"cmdline", "environ"}) {
    if (jvm.read_text(file).find(kRefusal) != std::string::npos) {
      return AttachRefusal{.reason = "this JVM refuses it (-XX:+DisableAttachMechanism)",
                           .may_pass = false};
    }
  }
  if (!jvm.catches(SIGQUIT)) {
    return AttachRefusal{.reason = "this JVM does not handle SIGQUIT (-Xrs?)", .may_pass = true};
  }
  return std::nullopt;
}

}  // namespace waggle
