// SPDX-License-Identifier: Apache-2.0
// A program (walked.c) runs instruction by instruction under ptrace(2).  At each one its stack is
// walked by the tables of its files and compared with the calls that were seen: prologues,
// epilogues, PLT entries, realigned frames, signal handlers on both kinds of stack, the vDSO, and
// all that the C library does in between.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "symbolizer/module.h"
#include "tests/live_tables.h"
#include "tests/unit/bpf/stack_walk.h"

namespace waggle {
namespace {

constexpr std::size_t kMaxFrames = 200;
constexpr std::size_t kShown = 20;

// By DWARF number.
std::uint64_t register_of(const user_regs_struct& regs, unsigned number) {
  const std::array<std::uint64_t, 16> values = {
      regs.rax, regs.rdx, regs.rcx, regs.rbx, regs.rsi, regs.rdi, regs.rbp, regs.rsp,
      regs.r8,  regs.r9,  regs.r10, regs.r11, regs.r12, regs.r13, regs.r14, regs.r15};
  return number < values.size() ? values[number] : 0;
}

StackWalk walk(LiveTables& tables, pid_t pid, const user_regs_struct& start) {
  unw_memory memory = {pid};
  return walk_stack(
      memory, {start.rip, start.rsp, start.rbp}, kMaxFrames,
      [&](std::uint64_t address) { return tables.find_rule(address).value_or(unw_rule{}); },
      [&](unsigned number) { return register_of(start, number); });
}

enum class Kind { other, call, ret, syscall };

Kind kind_of(const std::array<std::uint8_t, 16>& code) {
  std::size_t at = 0;
  while (at < 4 && (code[at] == 0xf2 || code[at] == 0xf3 || code[at] == 0x3e || code[at] == 0x66 ||
                    (code[at] & 0xf0) == 0x40)) {
    ++at;
  }
  if (code[at] == 0xe8 || (code[at] == 0xff && (code[at + 1] >> 3 & 7) == 2)) {
    return Kind::call;
  }
  if (code[at] == 0xc3 || code[at] == 0xc2) {
    return Kind::ret;
  }
  return code[at] == 0x0f && code[at + 1] == 0x05 ? Kind::syscall : Kind::other;
}

// The traced process; killed at the end.
class Tracee {
 public:
  explicit Tracee(const std::string& path) {
    pid_ = ::fork();
    if (pid_ == 0) {
      ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      char* const arguments[] = {const_cast<char*>(path.c_str()), nullptr};
      char* const environment[] = {nullptr};
      ::execve(path.c_str(), arguments, environment);
      ::_exit(127);
    }
    int status = 0;
    is_traced_ = ::waitpid(pid_, &status, 0) == pid_ && WIFSTOPPED(status);
  }
  Tracee(const Tracee&) = delete;
  Tracee& operator=(const Tracee&) = delete;
  ~Tracee() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  [[nodiscard]] bool is_traced() const { return is_traced_; }
  [[nodiscard]] pid_t pid() const { return pid_; }

  [[nodiscard]] user_regs_struct registers() const {
    user_regs_struct regs{};
    EXPECT_EQ(::ptrace(PTRACE_GETREGS, pid_, nullptr, &regs), 0);
    return regs;
  }
  template <class T>
  [[nodiscard]] T read(std::uint64_t address) const {
    T value{};
    const iovec local = {&value, sizeof(value)};
    const iovec remote = {reinterpret_cast<void*>(address), sizeof(value)};
    (void)::process_vm_readv(pid_, &local, 1, &remote, 1, 0);  // may be cut at a page's end
    return value;
  }
  // Delivers `signal` or runs one instruction.  The signal that is to be delivered next, if any;
  // nothing when the process has ended.
  std::optional<int> step(int signal) const {
    int status = 0;
    if (::ptrace(PTRACE_SINGLESTEP, pid_, nullptr,
                 reinterpret_cast<void*>(std::intptr_t{signal})) != 0 ||
        ::waitpid(pid_, &status, 0) != pid_ || !WIFSTOPPED(status)) {
      return std::nullopt;
    }
    const int stop = WSTOPSIG(status);
    return stop == SIGTRAP || stop == SIGCHLD ? 0 : stop;
  }

 private:
  pid_t pid_ = 0;
  bool is_traced_ = false;
};

struct Outcome {
  std::size_t instructions = 0;
  std::size_t wrong = 0;
  std::size_t cut_in_ifunc = 0;
  std::size_t signals = 0;
  std::size_t deepest = 0;
  std::vector<std::string> shown;
};

// Runs the program from main() to its return.
class LiveWalk {
 public:
  explicit LiveWalk(const std::string& path) : path_(path), tracee_(path) {}

  [[nodiscard]] bool is_traced() const { return tracee_.is_traced(); }

  Outcome run() {
    run_to_main();
    const StackWalk first = walk(tables_, tracee_.pid(), tracee_.registers());
    EXPECT_EQ(first.outcome, UNW_COMPLETE);
    EXPECT_FALSE(first.callers.empty());
    if (first.callers.empty()) {
      return outcome_;
    }
    calls_.assign(first.callers.rbegin(), first.callers.rend());
    const std::size_t base = calls_.size();
    int signal = 0;
    while (calls_.size() >= base) {
      const auto next = step(signal);
      if (!next) {
        ADD_FAILURE() << "ended before main() did";
        break;
      }
      signal = *next;
      if (signal == 0 && calls_.size() >= base) {
        check();
      }
    }
    return outcome_;
  }

 private:
  void run_to_main() {
    const Module module = Module::load(open_file(path_, O_RDONLY).value()).value();
    const auto main_symbol = module.symbols().find_named("main");
    ASSERT_TRUE(main_symbol);
    tables_.read_maps(tracee_.pid());  // the program is mapped from the start
    const auto address = tables_.find_address(path_, main_symbol->start);
    ASSERT_TRUE(address);
    while (tracee_.registers().rip != *address) {
      ASSERT_TRUE(tracee_.step(0));
    }
    tables_.read_maps(tracee_.pid());
  }

  // One instruction, or the delivery of a signal; keeps calls_.
  std::optional<int> step(int signal) {
    const user_regs_struct before = tracee_.registers();
    const Kind kind = kind_of(tracee_.read<std::array<std::uint8_t, 16>>(before.rip));
    const auto next = tracee_.step(signal);
    if (!next) {
      return next;
    }
    const user_regs_struct after = tracee_.registers();
    if (signal != 0) {
      ++outcome_.signals;
      calls_.push_back(before.rip);
      calls_.push_back(tracee_.read<std::uint64_t>(after.rsp));
    } else if (kind == Kind::call && after.rsp == before.rsp - 8) {
      calls_.push_back(tracee_.read<std::uint64_t>(after.rsp));
    } else if (kind == Kind::ret && after.rip == calls_.back()) {
      calls_.pop_back();
    } else if (kind == Kind::syscall && before.rax == 15 /* rt_sigreturn */) {
      EXPECT_EQ(after.rip, calls_.back());
      calls_.pop_back();
    }
    return next;
  }

  void check() {
    const user_regs_struct regs = tracee_.registers();
    const StackWalk found = walk(tables_, tracee_.pid(), regs);
    const std::vector<std::uint64_t> expected(calls_.rbegin(), calls_.rend());
    ++outcome_.instructions;
    outcome_.deepest = std::max(outcome_.deepest, expected.size());
    if (found.outcome == UNW_COMPLETE && found.callers == expected) {
      return;
    }
    // The dynamic linker lets the C library choose among its functions.  That its tables do not
    // say where rbx is costs these few instructions the way through the resolver.
    const bool is_prefix = found.callers.size() < expected.size() &&
                           std::equal(found.callers.begin(), found.callers.end(), expected.begin());
    if (found.outcome == UNW_NO_INFO && found.lacks_register && is_prefix &&
        tables_.describe(regs.rip).find("/libc.so") != std::string::npos) {
      ++outcome_.cut_in_ifunc;
      return;
    }
    ++outcome_.wrong;
    if (outcome_.shown.size() < kShown) {
      std::ostringstream text;
      text << tables_.describe(regs.rip) << ": outcome " << found.outcome << ", "
           << found.callers.size() << " of " << expected.size() << " callers";
      for (std::size_t i = 0; i < std::min<std::size_t>(expected.size(), 4); ++i) {
        text << "\n    " << tables_.describe(expected[i]) << " / "
             << (i < found.callers.size() ? tables_.describe(found.callers[i]) : "-");
      }
      outcome_.shown.push_back(text.str());
    }
  }

  std::string path_;
  Tracee tracee_;
  LiveTables tables_;
  std::vector<std::uint64_t> calls_;  // return addresses, outermost first
  Outcome outcome_;
};

Outcome run_program(const std::string& path) {
  LiveWalk live(path);
  if (!live.is_traced()) {
    return {};
  }
  const Outcome outcome = live.run();
  std::printf("%s: %zu instructions, %zu wrong, %zu cut in ifuncs, %zu signals, %zu deep\n",
              path.c_str(), outcome.instructions, outcome.wrong, outcome.cut_in_ifunc,
              outcome.signals, outcome.deepest);
  for (const std::string& text : outcome.shown) {
    std::printf("  %s\n", text.c_str());
  }
  return outcome;
}

void expect_complete_stacks(const std::string& path) {
  const Outcome outcome = run_program(path);
  if (outcome.instructions == 0) {
    GTEST_SKIP() << "ptrace(2) is refused here";
  }
  EXPECT_GT(outcome.instructions, 4000U);
  EXPECT_EQ(outcome.signals, 2U);
  EXPECT_GT(outcome.deepest, 22U);
  EXPECT_EQ(outcome.wrong, 0U);
  EXPECT_LT(outcome.cut_in_ifunc, outcome.instructions / 100);
}

TEST(UnwindLive, walks_a_static_program_at_every_instruction) {
  expect_complete_stacks(WALKED_STATIC);
}

TEST(UnwindLive, walks_a_program_of_the_other_compiler_at_every_instruction) {
  expect_complete_stacks(WALKED_CLANG);
}

TEST(UnwindLive, walks_a_dynamic_program_at_every_instruction) {
  expect_complete_stacks(WALKED_DYNAMIC);
}

}  // namespace
}  // namespace waggle
