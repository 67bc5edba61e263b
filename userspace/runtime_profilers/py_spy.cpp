// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtime_profilers/py_spy.h"

#include <fcntl.h>
#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <system_error>

#include "base/file.h"
#include "base/text.h"
#include "userspace/runtimes/python/frame_text.h"
#include "userspace/runtimes/python/layout.h"
#include "userspace/runtimes/python/package_metadata.h"
#include "userspace/tools/py_spy/selection.h"

namespace waggle {

namespace {

std::string read_command_line(pid_t pid) {
  constexpr std::size_t kMaxBytes = 16384;
  std::string text(kMaxBytes, '\0');
  const auto fd = open_file(fmt::format("/proc/{}/cmdline", pid), O_RDONLY);
  const auto size =
      fd ? read_at(fd->get(), 0, std::as_writable_bytes(std::span(text))) : Result<std::size_t>(0);
  text.resize(size.value_or(0));
  std::ranges::replace(text, '\0', ' ');
  return text;
}

PySpyCandidate read_candidate(pid_t pid, const ProcFs& proc) {
  PySpyCandidate candidate;
  std::error_code gone;
  candidate.program =
      std::filesystem::read_symlink(fmt::format("/proc/{}/exe", pid), gone).string();
  candidate.command_line = read_command_line(pid);
  constexpr std::size_t kMaxMapped = 4096;
  (void)proc.read_code(static_cast<std::uint32_t>(pid), [&](const MapsEntry& entry) {
    if (entry.inode != 0 && candidate.mapped.size() < kMaxMapped) {
      candidate.mapped.emplace_back(entry.path);
    }
  });  // it may be gone: nothing is mapped then
  return candidate;
}

}  // namespace

bool PySpy::has_runtime(pid_t pid) {
  const auto python = find_python_file(pid, files_);
  return python && *python;
}

std::string PySpy::why_not(pid_t pid) {
  const PySpyVerdict verdict = judge_for_py_spy(read_candidate(pid, proc_));
  return verdict == PySpyVerdict::take ? "" : std::string(py_spy_verdict_text(verdict));
}

ToolCall PySpy::call(const std::string& program, pid_t target, const std::string& directory) {
  if (has_versions_) {
    const auto python = find_python_file(target, files_);
    auto root = open_file(fmt::format("/proc/{}/root", target), O_PATH | O_DIRECTORY);
    targets_.insert_or_assign(target, Target{.version = python && *python ? (*python)->version : 0,
                                             .root = root ? *std::move(root) : UniqueFd(),
                                             .packages = {}});
  }
  const std::string output = fmt::format("{}/py-spy.{}", directory, target);
  return {.name = "py-spy",
          .command = py_spy_record_command(program, target, options_, output),
          .variables = {},
          .output = output,
          .output_bytes = kMaxToolOutputBytes,
          .nice = kSamplerNice};
}

// "PyYAML==6.0", "standard-library==3.11.2"; "" where it is not known.
std::string PySpy::find_package(const Target& target, std::string_view file) {
  if (target.version != 0 && is_standard_library(file)) {
    return "standard-library==" + python_version_text(target.version);
  }
  if (!target.root.is_open() || !packages_folder(file)) {
    return "";
  }
  const auto package = packages_.find(target.root.get(), file);
  return package ? package_text(*package) : "";
}

std::string PySpy::package_of(std::string_view file, pid_t target) {
  constexpr std::size_t kMaxKept = 16384;
  const auto found = targets_.find(target);
  if (found == targets_.end()) {
    return "";
  }
  auto& kept = found->second.packages;
  if (const auto known = kept.find(file); known != kept.end()) {
    return known->second;
  }
  std::string package = find_package(found->second, file);
  if (kept.size() < kMaxKept) {
    kept.emplace(file, package);
  }
  return package;
}

void PySpy::add(const PySpyStack& stack, pid_t target, Profile& to) {
  Profile::Stack added{.container = to.intern(""), .comm = to.intern(""), .frames = {}};
  if (!stack.thread.empty()) {
    // The name that it has in Python, else the kernel's.
    const auto tid = parse_number<pid_t>(stack.thread);
    const std::string name = tid ? thread_name_(target, *tid) : "";
    added.frames.push_back(
        to.intern(fmt::format("thread: {}", name.empty() ? stack.thread : name)));
  }
  for (const PySpyFrame& frame : stack.frames) {
    const std::string package = package_of(frame.file, target);
    added.frames.push_back(to.intern(python_frame_text(
        {.file = frame.file, .name = frame.name, .line = frame.line, .package = package})));
  }
  to.add(added, stack.count);
}

Result<std::uint64_t> PySpy::read_stacks(UniqueFd file, pid_t target, Profile& stacks) {
  PySpyOutputParser parser(options_.tells_threads,
                           [&](const PySpyStack& stack) { add(stack, target, stacks); });
  const auto read = read_pieces(file.get(), kMaxToolOutputBytes,
                                [&](std::string_view piece) { parser.feed(piece); });
  targets_.erase(target);
  TRY(read);
  parser.finish();
  if (parser.is_corrupt()) {
    return fail(Errc::malformed, "py-spy wrote something else than stacks");
  }
  return parser.counters().bad_lines;
}

}  // namespace waggle
