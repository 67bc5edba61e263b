// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/dump.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/types.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <set>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/file.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "userspace/cli/dump_native.h"
#include "userspace/cli/dump_python.h"
#include "userspace/cli/dump_text.h"
#include "userspace/cli/dump_threads.h"
#include "userspace/cli/exit_status.h"
#include "userspace/cli/option_values.h"
#include "userspace/cli/verbs.h"

namespace waggle {

namespace {

constexpr auto kOptions = std::to_array<Option>({
    {.name = "pids",
     .letter = 'p',
     .value = "PID",
     .group = "Target",
     .help = "the process, by the number of any of its threads"},
});

constexpr auto kExamples = std::to_array<Example>({
    {"waggle dump -p 1234", "what each thread of process 1234 is doing"},
});

int report(const Error& error) {
  fmt::print(stderr, "waggle dump: {}\n", printable(error.what));
  return error.code == Errc::permission ? kExitPrivilege : kExitFailure;
}

Result<pid_t> read_options(std::span<const std::string> arguments) {
  const ParsedArguments parsed = TRY(parse_arguments(dump_syntax(), arguments));
  const auto given = parsed.all("pids");
  if (given.size() != 1) {
    return fail(Errc::malformed, given.empty() ? "--pids: of which process? (--pids PID)"
                                               : "--pids: one process at a time");
  }
  return parse_integer("pids", given.front(), 1, std::numeric_limits<int>::max());
}

// The first of its mapped files; "" where it has none, or they cannot be listed.
std::string first_mapped_file(pid_t pid) {
  std::error_code ignored;
  const std::string folder = fmt::format("/proc/{}/map_files", pid);
  const std::filesystem::directory_iterator files(folder, ignored);
  return files == std::filesystem::directory_iterator() ? "" : files->path().string();
}

// Whether the process' memory and files may be read; its stacks cannot be had otherwise.
Result<> check_access(pid_t pid) {
  const auto check = [pid](const std::string& path, int flags, std::string_view capability) {
    const auto opened = path.empty() ? Result<UniqueFd>() : open_file(path, flags);
    return opened || opened.error().code != Errc::permission
               ? Result<>()
               : fail(Errc::permission, fmt::format("pid {}: {} (run it as root, or with {})", pid,
                                                    opened.error().what, capability));
  };
  TRY(check(fmt::format("/proc/{}/mem", pid), O_RDONLY, "CAP_SYS_PTRACE"));
  return check(first_mapped_file(pid), O_PATH, "CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN");
}

DumpedPythons read_python_of(pid_t pid, const DumpedProcess& process) {
  std::set<std::uint32_t> numbers;
  for (const DumpedThread& thread : process.threads) {
    numbers.insert(thread.innermost_tid);
  }
  return read_pythons(pid, numbers);
}

// A thread that went on meanwhile has another stack now.
void keep_what_waited(const std::vector<DumpedThread>& before, const std::vector<DumpedThread>& now,
                      DumpedNativeStacks& native) {
  for (const DumpedThread& thread : before) {
    const auto same = std::ranges::find(now, thread.tid, &DumpedThread::tid);
    if (same == now.end() || same->user != thread.user) {
      native.erase(thread.tid);
    }
  }
}

Result<int> dump(pid_t pid) {
  const DumpedProcess before = TRY(read_threads(pid));
  DumpedPythons python;
  Result<DumpedNativeStacks> native;
  if (!before.is_kernel_thread) {
    TRY(check_access(pid));
    python = read_python_of(pid, before);
    native = read_native_stacks(pid, before.threads, python.pythons);
  }
  // Again: a process that has ended meanwhile is told from one that shows nothing.
  const DumpedProcess process = TRY(read_threads(pid));
  if (native) {
    keep_what_waited(before.threads, process.threads, *native);
  }
  if (process.kernel_problem) {
    fmt::print(stderr, "waggle dump: kernel stacks: {}, continuing without\n",
               printable(process.kernel_problem->what));
  }
  const std::string text = render_dump(pid, process, native.value_or(DumpedNativeStacks()), python);
  if (std::fputs(text.c_str(), stdout) == EOF || std::fflush(stdout) != 0) {
    return fail(Errc::system, "stdout cannot be written");
  }
  if (python.problem) {
    return fail(python.problem->code,
                fmt::format("pid {}: no Python stacks: {}", pid, python.problem->what));
  }
  return kExitOk;
}

}  // namespace

const Syntax& dump_syntax() {
  static constexpr Syntax kSyntax = {
      .verb = "dump",
      .purpose =
          "Prints the stacks of all threads of a process, innermost frame first: functions of "
          "the kernel (_[k]), native ones (_[pn] beside Python) and those of Python with the line "
          "that runs (_[p]). The process is not stopped. Of a thread that waits that is all of "
          "its stack; where a function keeps its caller in the frame pointer, the native part can "
          "end early, with a mark. Of a thread that runs there are Python's functions alone, and "
          "they may be of more than one moment. Not there yet: names of JIT code, lines of native "
          "code.",
      .options = kOptions,
      .examples = kExamples,
      .exit_statuses =
          "  0  ok\n"
          "  1  there is no such process, it ended, or its Python cannot be understood\n"
          "  2  usage: an option or an argument is wrong\n"
          "  3  a privilege is missing: the message names it\n",
  };
  return kSyntax;
}

int dump_main(std::span<const std::string> arguments) {
  const Result<pid_t> pid = read_options(arguments);
  if (!pid) {
    return report_usage_error("dump", pid.error());
  }
  const Result<int> status = dump(*pid);
  return status ? *status : report(status.error());
}

}  // namespace waggle
