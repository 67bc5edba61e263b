// SPDX-License-Identifier: Apache-2.0
// What it costs to put Java's frames between the system's: java_match_bench [STACKS].  As many
// different stacks on both sides, 60 frames of Java and 20 native ones deep; CPU time, median of
// five.
#include <fmt/core.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/text.h"
#include "userspace/profile/profile.h"
#include "userspace/profile/runtime_merge.h"

namespace waggle {
namespace {

constexpr std::uint32_t kPid = 12;
constexpr std::string_view kGenerated = "*";

double cpu_ms() {
  timespec time{};
  CHECK(::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

// Some native functions, then some of the kernel.
std::string make_leaf(std::mt19937_64& random) {
  std::string text;
  for (int i = 0; i < 20; ++i) {
    text += fmt::format(";function_number_{}{}", random() % 3, i < 10 ? "" : "_[k]");
  }
  return text;
}

Profile::Stack make_stack(Profile& profile, std::string_view line) {
  Profile::Stack stack{
      .container = profile.intern(""), .comm = profile.intern("java"), .frames = {}};
  for (const std::string_view frame : split(line, ';')) {
    stack.frames.push_back(profile.intern(frame));
  }
  return stack;
}

struct Input {
  Profile system;
  std::vector<RuntimeStacks> runtimes;
};

Input make_input(int stacks) {
  std::mt19937_64 random(3);
  Input input;
  RuntimeStacks java{
      .process = kPid, .comm = "java", .stacks = {}, .error = {}, .is_java_on_cpu = true};
  for (int i = 0; i < stacks; ++i) {
    std::string methods = "T.run()V_[0]";
    for (int depth = 0; depth < 60; ++depth) {
      methods += fmt::format(";some/package/Class{}.method()V_[j]", random() % 300);
    }
    java.stacks.add(make_stack(java.stacks, methods + make_leaf(random)), 1 + random() % 9);
    const std::string native =
        fmt::format("clone;thread_entry(JavaThread*, JavaThread*);call_helper;{0};{0};{0}{1}",
                    kGenerated, make_leaf(random));
    Profile::Stack stack = make_stack(input.system, native);
    stack.process = kPid;
    stack.walk = {.root = Profile::Walk::Root::whole, .generated_begin = 3, .generated_end = 6};
    input.system.add(stack, 1 + random() % 9);
  }
  input.runtimes.push_back(std::move(java));
  return input;
}

void measure(int stacks) {
  const Input input = make_input(stacks);
  std::array<double, 5> times{};
  for (double& time : times) {
    const double start = cpu_ms();
    const MergedProfile merged = merge_runtime_stacks(input.system, input.runtimes);
    time = cpu_ms() - start;
    CHECK(merged.profile.total() == input.system.total());
  }
  std::ranges::sort(times);
  fmt::print("match of {} stacks on both sides: {:.1f} ms CPU, {:.1f} to {:.1f}\n", stacks,
             times[times.size() / 2], times.front(), times.back());
}

}  // namespace
}  // namespace waggle

int main(int argc, char** argv) {
  constexpr int kStacks = 10'000;
  waggle::measure(argc > 1 ? std::atoi(argv[1]) : kStacks);
}
