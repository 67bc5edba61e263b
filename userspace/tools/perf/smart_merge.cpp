// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/perf/smart_merge.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "userspace/profile/share_out.h"

namespace waggle {

namespace {

// What a process ran: exec makes another program of it.
using Program = std::pair<std::uint32_t, std::string_view>;

struct Stacks {
  std::vector<Share> shares;
  std::uint64_t samples = 0;
  std::uint64_t frames = 0;  // of user space, of all samples
};

using Programs = std::map<Program, Stacks>;

bool is_user_frame(std::string_view name) {
  return !name.ends_with("_[k]") && !name.starts_with('[');
}

Programs programs_of(const Profile& profile) {
  Programs programs;
  for (const auto& [stack, count] : profile.counts()) {
    Stacks& stacks = programs[{stack.process, profile.name(stack.comm)}];
    const auto frames = std::ranges::count_if(
        stack.frames, [&](Profile::NameId frame) { return is_user_frame(profile.name(frame)); });
    stacks.shares.push_back({.stack = &stack, .count = count});
    stacks.samples += count;
    stacks.frames += count * static_cast<std::uint64_t>(frames);
  }
  return programs;
}

// On average.
bool has_more_frames(const Stacks& a, const Stacks& b) {
  using Wide = unsigned __int128;
  return Wide{a.frames} * b.samples > Wide{b.frames} * a.samples;
}

class Taker {
 public:
  Taker(SmartMerge& merge, const std::function<bool(std::uint32_t)>& is_told_apart)
      : merge_(merge), is_told_apart_(is_told_apart) {}

  void take(const Profile& from, const std::vector<Share>& shares) {
    Profile& to = merge_.profile;
    for (const auto& [stack, count, remainder] : shares) {
      if (count == 0) {
        continue;
      }
      Profile::Stack copy{
          .container = to.intern(from.name(stack->container)),
          .comm = to.intern(from.name(stack->comm)),
          .frames = {},
          .process = is_told_apart_(stack->process) ? stack->process : 0,
          .application = to.intern_application(from.application(stack->application))};
      for (const Profile::NameId frame : stack->frames) {
        copy.frames.push_back(to.intern(from.name(frame)));
      }
      to.add(copy, count);
    }
  }
  void take_all(const Profile& from, const Programs& programs) {
    for (const auto& [program, stacks] : programs) {
      take(from, stacks.shares);
    }
  }

 private:
  SmartMerge& merge_;
  const std::function<bool(std::uint32_t)>& is_told_apart_;
};

void count_left_out(const Programs& fp, const Programs& dwarf, SmartMerge& merge) {
  std::set<std::uint32_t> processes;
  for (const auto& [program, stacks] : dwarf) {
    if (!fp.contains(program)) {
      merge.left_out_samples += stacks.samples;
      processes.insert(program.first);
    }
  }
  merge.left_out_processes = processes.size();
}

}  // namespace

SmartMerge merge_smart(const Profile& fp, const Profile& dwarf,
                       const std::function<bool(std::uint32_t)>& is_told_apart) {
  SmartMerge merge;
  Taker taker(merge, is_told_apart);
  const Programs by_fp = programs_of(fp);
  Programs by_dwarf = programs_of(dwarf);
  if (by_fp.empty() || by_dwarf.empty()) {
    merge.is_dwarf_alone = by_fp.empty() && !by_dwarf.empty();
    merge.is_fp_alone = by_dwarf.empty() && !by_fp.empty();
    taker.take_all(fp, by_fp);
    taker.take_all(dwarf, by_dwarf);
    return merge;
  }
  for (const auto& [program, stacks] : by_fp) {
    const auto other = by_dwarf.find(program);
    if (other == by_dwarf.end() || has_more_frames(stacks, other->second)) {
      taker.take(fp, stacks.shares);
      continue;
    }
    share_out(other->second.shares, stacks.samples);
    taker.take(dwarf, other->second.shares);
    ++merge.dwarf_processes;
  }
  count_left_out(by_fp, by_dwarf, merge);
  return merge;
}

}  // namespace waggle
