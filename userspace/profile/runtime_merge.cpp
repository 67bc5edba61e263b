// SPDX-License-Identifier: Apache-2.0
#include "userspace/profile/runtime_merge.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "userspace/profile/java_match.h"
#include "userspace/profile/share_out.h"

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
  [[nodiscard]] Profile::ApplicationId application(Profile::ApplicationId id) const {
    return to_.intern_application(from_.application(id));
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
  Profile::ApplicationEntry application;
  std::vector<const Profile::Counts::value_type*> samples;  // of those that are matched
};

// How many the runtime's stacks come to.
std::uint64_t target_count(const Part& part) {
  const std::uint64_t own = part.runtime->counts_waiting ? part.runtime->stacks.total() : 0;
  return std::max(part.system_count, own);
}

void add_runtime(const Part& part, Profile& profile) {
  const Profile& stacks = part.runtime->stacks;
  Copier copier(stacks, profile);
  const NameId container = profile.intern(part.container);
  const NameId comm = profile.intern(part.runtime->comm);
  const Profile::ApplicationId application = profile.intern_application(part.application);
  std::vector<Share> shares;
  for (const auto& [stack, count] : stacks.counts()) {
    shares.push_back({.stack = &stack, .count = count});
  }
  share_out(shares, target_count(part));
  for (const Share& share : shares) {
    if (share.count == 0) {
      continue;
    }
    Profile::Stack stack{
        .container = container, .comm = comm, .frames = {}, .application = application};
    copier.append(share.stack->frames, stack.frames);
    profile.add(stack, share.count);
  }
}

// By an engine that knows how it walked.
bool tells_walks(const Part& part) {
  return std::ranges::any_of(part.samples, [](const auto* counted) {
    return counted->first.walk.root != Profile::Walk::Root::untold;
  });
}

}  // namespace

MergedProfile merge_runtime_stacks(const Profile& system, std::span<const RuntimeStacks> runtimes) {
  MergedProfile merged;
  Profile& profile = merged.profile;
  std::unordered_map<std::uint32_t, Part> parts;
  for (const RuntimeStacks& runtime : runtimes) {
    parts.emplace(runtime.process, Part{.runtime = &runtime,
                                        .system_count = 0,
                                        .container = {},
                                        .application = {},
                                        .samples = {}});
  }
  Copier copier(system, profile);
  for (const auto& counted : system.counts()) {
    const auto& [stack, count] = counted;
    const auto known = stack.process == 0 ? parts.end() : parts.find(stack.process);
    Part* part = known != parts.end() && known->second.runtime->comm == system.name(stack.comm)
                     ? &known->second
                     : nullptr;
    if (part != nullptr) {
      part->system_count += count;
      part->container = system.name(stack.container);
      if (stack.application != Profile::kNoApplication) {
        part->application = system.application(stack.application);
      }
      if (part->runtime->stacks.total() != 0) {
        if (part->runtime->is_java_on_cpu) {
          part->samples.push_back(&counted);
        }
        continue;  // replaced
      }
    }
    Profile::Stack copy{.container = copier.name(stack.container),
                        .comm = copier.name(stack.comm),
                        .frames = {},
                        .application = copier.application(stack.application)};
    if (part != nullptr && !part->runtime->error.empty()) {
      copy.frames.push_back(profile.intern(part->runtime->error));
    }
    copier.append(stack.frames, copy.frames);
    profile.add(copy, count);
  }
  for (const auto& [process, part] : parts) {
    if (part.runtime->stacks.total() != 0 && tells_walks(part)) {
      match_java({.system = system,
                  .samples = part.samples,
                  .java = part.runtime->stacks,
                  .comm = part.runtime->comm,
                  .container = part.container,
                  .application = part.application},
                 profile);
    } else if (part.runtime->stacks.total() != 0) {
      add_runtime(part, profile);
      merged.added += target_count(part) - part.system_count;
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

MergedProfile concatenate_runtime_stacks(std::span<const RuntimeStacks> runtimes) {
  MergedProfile merged;
  Profile& profile = merged.profile;
  for (const RuntimeStacks& runtime : runtimes) {
    Profile::Stack line{
        .container = profile.intern(""), .comm = profile.intern(runtime.comm), .frames = {}};
    Copier copier(runtime.stacks, profile);
    for (const auto& [stack, count] : runtime.stacks.counts()) {
      Profile::Stack copy = line;
      copier.append(stack.frames, copy.frames);
      profile.add(copy, count);
    }
    if (runtime.stacks.total() == 0 && !runtime.error.empty()) {
      line.frames.push_back(profile.intern(runtime.error));
      profile.add(line, 1);
      ++merged.added;
    }
  }
  return merged;
}

}  // namespace waggle
