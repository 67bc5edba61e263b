// SPDX-License-Identifier: Apache-2.0
// The cgroups that used the most CPU since the last cycle, for `--perf-use-cgroups`.  Not for
// writing them into the kernel side's maps: selection_maps.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "userspace/select/cgroup_hierarchies.h"
#include "userspace/select/cgroup_path.h"

namespace waggle {

struct RankingLimits {
  std::size_t cgroups = 50;    // of all together; 0: containers alone
  std::size_t containers = 0;  // of them, chosen before the others; 0: they are like any other
};

struct CgroupRank {
  Cgroup cgroup;
  std::uint64_t used_ns = 0;  // CPU time since the last cycle
  bool is_container = false;
};

struct RankedCount {
  std::size_t chosen = 0;
  std::size_t candidates = 0;
};

struct Ranking {
  std::vector<CgroupRank> chosen;  // the busiest first
  RankedCount containers;          // where they have a limit of their own
  RankedCount others;              // the rest
};

// One thread.  What is ranked: containers, with all that lies below them, other cgroups that have
// none below, and those that have, where tasks are in them: by what these use, and alone; a cgroup
// that stands for many would leave no other a place.  Taken from v1's cpuacct, and from v2 what is
// not there under the same path.
class CgroupRanking {
 public:
  explicit CgroupRanking(const RankingLimits& limits) : limits_(limits) {}

  [[nodiscard]] const RankingLimits& limits() const { return limits_; }
  // Notes what was used up to now: the first cycle begins.
  Result<> begin(std::span<const CgroupHierarchy> hierarchies);
  // Ends a cycle.  Without begin() it began when the cgroups did.  A cgroup that was chosen in the
  // last one stays until another uses half as much again; equal ones are ordered by memory.
  // `excluded`: neither they nor what lies below is a candidate; they may be others each time.
  // Errc::unsupported: no hierarchy counts CPU time; exhausted: too many cgroups to look at.
  Result<Ranking> refresh(std::span<const CgroupHierarchy> hierarchies,
                          std::span<const Cgroup> excluded);

 private:
  using Key = std::pair<std::uint32_t, std::uint64_t>;  // hierarchy and id
  struct KeyHash {
    std::size_t operator()(const Key& key) const {
      return std::hash<std::uint64_t>()(key.second * 31 + key.first);
    }
  };
  struct Known {
    std::uint64_t usage_ns = 0;  // since it began
    bool is_chosen = false;
  };
  struct Seen;
  class Look;

  void weigh(std::vector<Seen>& seen);
  static void take_best(std::vector<Seen>& candidates, std::size_t limit);
  static RankedCount take_best_into(std::vector<Seen>& chosen, std::vector<Seen> candidates,
                                    std::size_t limit);

  RankingLimits limits_;
  std::unordered_map<Key, Known, KeyHash> known_;
};

}  // namespace waggle
