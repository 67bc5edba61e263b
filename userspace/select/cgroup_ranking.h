// SPDX-License-Identifier: Apache-2.0
// The cgroups that used the most CPU since the last cycle, for `--perf-use-cgroups`.  Not for
// writing them into the kernel side's maps: selection_maps.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
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

struct Ranking {
  std::vector<CgroupRank> chosen;  // the busiest first
  std::size_t candidates = 0;
};

// One thread.  What is ranked: containers, with all that lies below them, and other cgroups that
// have none below; a cgroup that stands for many would leave no other a place.  Taken from v1's
// cpuacct, and from v2 what is not there under the same path.
class CgroupRanking {
 public:
  // `excluded`: neither they nor what lies below is a candidate.
  CgroupRanking(const RankingLimits& limits, std::vector<CgroupHierarchy> hierarchies,
                std::vector<Cgroup> excluded = {})
      : limits_(limits), hierarchies_(std::move(hierarchies)), excluded_(std::move(excluded)) {}

  // Notes what was used up to now: the first cycle begins.
  Result<> begin();
  // Ends a cycle.  Without begin() it began when the cgroups did.  A cgroup that was chosen in the
  // last one stays until another uses half as much again; equal ones are ordered by memory.
  // Errc::unsupported: no hierarchy counts CPU time; exhausted: too many cgroups to look at.
  Result<Ranking> refresh();

 private:
  struct Candidate {
    CgroupRank rank;
    std::string below_mount;                  // "/docker/ID"
    const CgroupHierarchy* memory = nullptr;  // where its memory is counted
    std::uint64_t weight_ns = 0;              // used_ns, and more for one that was chosen
    std::uint64_t memory_bytes = 0;           // read where it decides
    bool is_memory_read = false;
  };
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
  class Walk;

  Result<std::vector<Candidate>> look();
  void weigh(std::vector<Candidate>& candidates);
  static void take_best(std::vector<Candidate>& candidates, std::size_t limit);

  RankingLimits limits_;
  std::vector<CgroupHierarchy> hierarchies_;
  std::vector<Cgroup> excluded_;
  std::unordered_map<Key, Known, KeyHash> known_;
};

}  // namespace waggle
