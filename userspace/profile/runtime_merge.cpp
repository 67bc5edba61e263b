// SPDX-License-Identifier: Apache-2.0
#include "userspace/profile/runtime_merge.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace waggle {

namespace {

using NameId = Profile::NameId;

// Copies stacks of one profile into another.
class Copier {
 public:
  Copier(const Profile& from, Profile& to)
      : from_(from), to_(to), ids_(from.name_count(), kUnknown) {}

  NameId name(NameId id) {
    if (ids_[id] == kUnknown) {
      ids_[id] = to_.intern(from_.name(id));
    }
    return ids_[id];
  }
  void append(const std::vector<NameId>& frames, std::vector<NameId>& to) {
    for (const NameId frame : frames) {
      to.push_back(name(frame));
    }
  }

 private:
  static constexpr NameId kUnknown = ~NameId{0};
  const Profile& from_;
  Profile& to_;
  std::vector<NameId> ids_;
};

// Of one runtime process, while the system's stacks are gone through.
struct Part {
  const RuntimeStacks* runtime;
  std::uint64_t system_count = 0;
  std::string_view container;
};

struct Share {
  const Profile::Stack* stack;
  std::uint64_t count;
  std::uint64_t remainder;
};

// Shares of `total`, in an order that depends on the stacks alone.
std::vector<Share> share_out(const Profile& stacks, std::uint64_t total) {
  using Wide = unsigned __int128;
  std::vector<Share> shares;
  std::uint64_t given = 0;
  for (const auto& [stack, count] : stacks.counts()) {
    const Wide product = Wide{total} * count;
    const auto share = static_cast<std::uint64_t>(product / stacks.total());
    shares.push_back({.stack = &stack,
                      .count = share,
                      .remainder = static_cast<std::uint64_t>(product % stacks.total())});
    given += share;
  }
  std::ranges::sort(shares, [](const Share& a, const Share& b) {
    return a.remainder != b.remainder ? a.remainder > b.remainder
                                      : a.stack->frames < b.stack->frames;
  });
  // Fewer are left than there are shares.
  for (Share& share : shares) {
    if (given == total) {
      break;
    }
    ++share.count;
    ++given;
  }
  return shares;
}

void add_runtime(const Part& part, Profile& profile) {
  const Profile& stacks = part.runtime->stacks;
  Copier copier(stacks, profile);
  const NameId container = profile.intern(part.container);
  const NameId comm = profile.intern(part.runtime->comm);
  for (const Share& share : share_out(stacks, part.system_count)) {
    if (share.count == 0) {
      continue;
    }
    Profile::Stack stack{.container = container, .comm = comm, .frames = {}};
    copier.append(share.stack->frames, stack.frames);
    profile.add(stack, share.count);
  }
}

}  // namespace

MergedProfile merge_runtime_stacks(const Profile& system, std::span<const RuntimeStacks> runtimes) {
  MergedProfile merged;
  Profile& profile = merged.profile;
  std::unordered_map<std::uint32_t, Part> parts;
  for (const RuntimeStacks& runtime : runtimes) {
    parts.emplace(runtime.process, Part{.runtime = &runtime, .system_count = 0, .container = {}});
  }
  Copier copier(system, profile);
  for (const auto& [stack, count] : system.counts()) {
    const auto known = stack.process == 0 ? parts.end() : parts.find(stack.process);
    Part* part = known != parts.end() && known->second.runtime->comm == system.name(stack.comm)
                     ? &known->second
                     : nullptr;
    if (part != nullptr) {
      part->system_count += count;
      part->container = system.name(stack.container);
      if (part->runtime->stacks.total() != 0) {
        continue;  // replaced
      }
    }
    Profile::Stack copy{
        .container = copier.name(stack.container), .comm = copier.name(stack.comm), .frames = {}};
    if (part != nullptr && !part->runtime->error.empty()) {
      copy.frames.push_back(profile.intern(part->runtime->error));
    }
    copier.append(stack.frames, copy.frames);
    profile.add(copy, count);
  }
  for (const auto& [process, part] : parts) {
    if (part.runtime->stacks.total() != 0) {
      add_runtime(part, profile);
    } else if (!part.runtime->error.empty() && part.system_count == 0) {
      profile.add({.container = profile.intern(""),
                   .comm = profile.intern(part.runtime->comm),
                   .frames = {profile.intern(part.runtime->error)}},
                  1);
      ++merged.added;
    }
  }
  return merged;
}

MergedProfile join_runtime_stacks(std::span<const RuntimeStacks> runtimes) {
  MergedProfile joined;
  Profile& profile = joined.profile;
  for (const RuntimeStacks& runtime : runtimes) {
    const NameId container = profile.intern("");
    const NameId comm = profile.intern(runtime.comm);
    Copier copier(runtime.stacks, profile);
    for (const auto& [stack, count] : runtime.stacks.counts()) {
      Profile::Stack copy{.container = container, .comm = comm, .frames = {}};
      copier.append(stack.frames, copy.frames);
      profile.add(copy, count);
    }
    if (runtime.stacks.total() == 0 && !runtime.error.empty()) {
      profile.add({.container = container, .comm = comm, .frames = {profile.intern(runtime.error)}},
                  1);
    }
  }
  joined.added = profile.total();
  return joined;
}

}  // namespace waggle
