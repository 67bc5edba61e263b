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

// Before the frames of a process, while no stack of the system's has told.
Profile::Stack line_of(const RuntimeStacks& runtime, Profile& profile) {
  return {.container = profile.intern(runtime.container),
          .comm = profile.intern(runtime.comm),
          .frames = {},
          .application = profile.intern_application(runtime.application)};
}

// How many the runtime's stacks come to.
std::uint64_t target_count(const Part& part) {
  const std::uint64_t own = part.runtime->counts_waiting ? part.runtime->stacks.total() : 0;
  return std::max(part.system_count, own);
}

// Those that come to nothing are left out.
void add_shares(const RuntimeStacks& runtime, std::uint64_t total, const Profile::Stack& line,
                Profile& profile) {
  Copier copier(runtime.stacks, profile);
  std::vector<Share> shares;
  for (const auto& [stack, count] : runtime.stacks.counts()) {
    shares.push_back({.stack = &stack, .count = count});
  }
  share_out(shares, total);
  for (const Share& share : shares) {
    if (share.count == 0) {
      continue;
    }
    Profile::Stack stack = line;
    copier.append(share.stack->frames, stack.frames);
    profile.add(stack, share.count);
  }
}

// To the nearest.
std::uint64_t scaled_total(const RuntimeStacks& runtime, int frequency_hz) {
  const std::uint64_t total = runtime.stacks.total();
  if (runtime.frequency_hz == 0 || runtime.frequency_hz == frequency_hz) {
    return total;
  }
  using Wide = unsigned __int128;
  const auto from = static_cast<std::uint64_t>(runtime.frequency_hz);
  const auto to = static_cast<std::uint64_t>(frequency_hz);
  return static_cast<std::uint64_t>((Wide{total} * to + from / 2) / from);
}

void add_error(const RuntimeStacks& runtime, MergedProfile& merged) {
  Profile::Stack line = line_of(runtime, merged.profile);
  line.frames.push_back(merged.profile.intern(runtime.error));
  merged.profile.add(line, 1);
  ++merged.added;
}

void add_runtime(const Part& part, Profile& profile) {
  Profile::Stack line = line_of(*part.runtime, profile);
  if (part.system_count != 0) {
    line.container = profile.intern(part.container);
    line.application = profile.intern_application(part.application);
  }
  add_shares(*part.runtime, target_count(part), line, profile);
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
      add_error(*part.runtime, merged);
    }
  }
  return merged;
}

MergedProfile concatenate_runtime_stacks(std::span<const RuntimeStacks> runtimes) {
  MergedProfile merged;
  for (const RuntimeStacks& runtime : runtimes) {
    const bool has_stacks = runtime.stacks.total() != 0;
    merged.frequency_hz = std::max(merged.frequency_hz, has_stacks ? runtime.frequency_hz : 0);
  }
  for (const RuntimeStacks& runtime : runtimes) {
    if (runtime.stacks.total() != 0) {
      add_shares(runtime, scaled_total(runtime, merged.frequency_hz),
                 line_of(runtime, merged.profile), merged.profile);
    } else if (!runtime.error.empty()) {
      add_error(runtime, merged);
    }
  }
  return merged;
}

}  // namespace waggle
