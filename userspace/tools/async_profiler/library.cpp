// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/async_profiler/library.h"

#include <fcntl.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/file.h"
#include "base/text.h"
#include "userspace/process/executable_files.h"

namespace waggle {

namespace {

constexpr std::string_view kEntry = "Agent_OnAttach";  // what a JVM calls once it has loaded it

// What musl is itself, whatever version the name tells: "libc.so.6", "libpthread.so.0".
bool is_of_any_c_library(std::string_view name) {
  constexpr auto kNames = std::to_array<std::string_view>(
      {"libc.so", "libpthread.so", "librt.so", "libm.so", "libdl.so", "libutil.so", "libxnet.so"});
  return std::ranges::any_of(kNames,
                             [name](std::string_view own) { return name.starts_with(own); });
}

bool is_of_musl(std::string_view name) {
  return name.starts_with("libc.musl-") || name.starts_with("ld-musl-");
}

}  // namespace

Result<SharedLibrary> read_async_profiler(const std::string& path) {
  auto library = read_shared_library(TRY(open_file(path, O_RDONLY | O_NONBLOCK)), kEntry);
  if (!library) {
    return fail(library.error().code,
                fmt::format("{} {}, so it is no async-profiler", path, library.error().what));
  }
  return library;
}

// Its constants: "async-profiler 4.4", "Async-profiler 2.9 built on ...".
std::optional<std::string> find_async_profiler_version(std::string_view library) {
  constexpr std::string_view kName = "sync-profiler ";
  constexpr std::size_t kMaxBytes = 40;
  for (std::size_t at = library.find(kName); at != std::string_view::npos;
       at = library.find(kName, at + 1)) {
    std::string_view version = library.substr(at + kName.size(), kMaxBytes);
    version = version.substr(0, version.find_first_not_of("0123456789."));
    if (!version.empty() && version.front() != '.' && version.contains('.')) {
      return std::string(version);
    }
  }
  return std::nullopt;
}

Result<std::string> read_async_profiler_version(const std::string& path) {
  constexpr std::size_t kMaxBytes = std::size_t{64} << 20;
  TRY(read_async_profiler(path));
  if (auto version = find_async_profiler_version(TRY(read_file(path, kMaxBytes)))) {
    return *std::move(version);
  }
  return fail(Errc::malformed, fmt::format("{} tells no version", path));
}

std::optional<std::string> why_not_to_load(std::span<const std::string> needed, bool is_musl) {
  const auto foreign = std::ranges::find_if(needed, [is_musl](std::string_view name) {
    return is_musl ? !is_of_any_c_library(name) && !is_of_musl(name) : is_of_musl(name);
  });
  if (foreign == needed.end()) {
    return std::nullopt;
  }
  return fmt::format(
      "this JVM runs on {}, the async-profiler that was found needs {}: give one of version 4.0 or "
      "later",
      is_musl ? "musl" : "glibc", printable(*foreign));
}

bool has_other_profiler(const Jvm& jvm, const SharedLibrary& library) {
  if (jvm.profiler.empty() || library.build_id.empty()) {
    return false;
  }
  auto loaded = open_mapped_file(jvm.pid, jvm.profiler_start, jvm.profiler_end);
  if (!loaded) {
    return false;  // it cannot be told
  }
  const auto other = read_shared_library(*std::move(loaded), kEntry);
  return other && !other->build_id.empty() && other->build_id != library.build_id;
}

}  // namespace waggle
