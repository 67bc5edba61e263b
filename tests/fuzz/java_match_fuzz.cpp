// SPDX-License-Identifier: Apache-2.0
// Any stacks of a JVM as the system and async-profiler may have seen them.  Input: pairs of bytes,
// each a stack of one of the two with its count, of frames that are picked by their bits.  Whatever
// they are, no sample is lost and no frame is invented.
#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "userspace/profile/runtime_merge.h"

namespace {

using waggle::Profile;
using Root = Profile::Walk::Root;

constexpr std::uint32_t kPid = 7;
constexpr std::array<std::string_view, 4> kThreads = {"", "thread: a", "thread: b", ""};
constexpr std::array<std::string_view, 8> kFrames = {
    "thread_entry()", "JavaMain",    "io",      "__GI_io",
    "A.run()V_[0]",   "B.main(_[j]", "sys_[k]", "asm_fault_[k]"};

// Of the bits of a byte, lowest first: every set one is a frame.
void add_frames(std::uint8_t bits, Profile& profile, Profile::Stack& stack) {
  for (std::size_t i = 0; i < kFrames.size(); ++i) {
    if ((bits >> i & 1) != 0) {
      stack.frames.push_back(profile.intern(kFrames[i]));
    }
  }
}

void add_system(std::uint8_t how, std::uint8_t bits, Profile& profile) {
  Profile::Stack stack{.container = profile.intern(""),
                       .comm = profile.intern("java"),
                       .frames = {},
                       .process = kPid};
  if (const std::string_view thread = kThreads[how & 3]; !thread.empty()) {
    stack.frames.push_back(profile.intern(thread));
  }
  stack.walk.root = static_cast<Root>((how >> 2 & 3) % 3);
  if (stack.walk.root == Root::cut) {
    stack.frames.push_back(profile.intern("[truncated: depth]"));
  }
  add_frames(bits & 3, profile, stack);
  if ((how & 16) != 0 && stack.walk.root != Root::untold) {
    stack.walk.generated_begin = static_cast<std::uint32_t>(stack.frames.size());
    stack.frames.push_back(profile.intern("(generated)"));
    stack.walk.generated_end = static_cast<std::uint32_t>(stack.frames.size());
  }
  add_frames(bits & 0xcc, profile, stack);
  profile.add(stack, 1 + (how >> 5) * std::uint64_t{1'000'003});
}

void add_java(std::uint8_t how, std::uint8_t bits, Profile& profile) {
  Profile::Stack stack{.container = profile.intern(""), .comm = profile.intern(""), .frames = {}};
  if (const std::string_view thread = kThreads[how & 3]; !thread.empty()) {
    stack.frames.push_back(profile.intern(thread));
  }
  if ((how & 4) != 0) {
    add_frames(bits & 0x30, profile, stack);
    add_frames(bits & 0xcf, profile, stack);
  } else {
    add_frames(bits, profile, stack);
  }
  profile.add(stack, 1 + (how >> 5));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Profile system;
  std::vector<waggle::RuntimeStacks> runtimes;
  runtimes.push_back(
      {.process = kPid, .comm = "java", .stacks = {}, .error = {}, .is_java_on_cpu = true});
  Profile& java = runtimes.front().stacks;
  for (std::size_t i = 0; i + 1 < size && i < 2'000; i += 2) {
    if (data[i] % 2 == 0) {
      add_system(data[i] / 2, data[i + 1], system);
    } else {
      add_java(data[i] / 2, data[i + 1], java);
    }
  }
  const waggle::MergedProfile merged = waggle::merge_runtime_stacks(system, runtimes);
  CHECK(merged.profile.total() == system.total() && merged.added == 0);
  std::set<std::string_view> known = {"", "java"};
  for (const Profile* profile :
       {static_cast<const Profile*>(&system), static_cast<const Profile*>(&java)}) {
    for (Profile::NameId id = 0; id < profile->name_count(); ++id) {
      known.insert(profile->name(id));
    }
  }
  for (const auto& [stack, count] : merged.profile.counts()) {
    CHECK(count != 0 && stack.process == 0);
    for (std::size_t i = 0; i < stack.frames.size(); ++i) {
      const std::string_view name = merged.profile.name(stack.frames[i]);
      CHECK(known.contains(name));
      CHECK(i == 0 || !name.starts_with("thread: "));
      CHECK(java.total() == 0 || name != "(generated)");
    }
  }
  return 0;
}
