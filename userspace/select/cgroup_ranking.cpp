// SPDX-License-Identifier: Apache-2.0
// cpuacct.usage (cgroup-v1/cpuacct.rst), cpu.stat and memory.current (cgroup-v2.rst): one number
// each, or lines of "name number".
#include "userspace/select/cgroup_ranking.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "base/text.h"
#include "base/unique_fd.h"
#include "userspace/process/container_id.h"
#include "userspace/select/cgroup_walk.h"

namespace waggle {

namespace {

constexpr std::uint64_t kNsPerUs = 1000;
constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

bool counts_cpu_in_v1(const CgroupHierarchy& hierarchy) {
  const auto controllers = split(hierarchy.name, ',');
  return hierarchy.number && hierarchy.number != SEL_V2 &&
         std::ranges::find(controllers, "cpuacct") != controllers.end();
}

// A file of a cgroup, whose content fits.
std::string_view read_small(int directory, const std::string& path, std::span<char> buffer) {
  const UniqueFd file(::openat(directory, path.c_str(), O_RDONLY | O_CLOEXEC));
  const ssize_t size = file.is_open() ? ::read(file.get(), buffer.data(), buffer.size()) : 0;
  return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

std::optional<std::uint64_t> number_in(std::string_view text) {
  return parse_number<std::uint64_t>(text.substr(0, text.find('\n')));
}

std::optional<std::uint64_t> usage_in_stat(std::string_view text) {
  constexpr std::string_view kName = "usage_usec ";
  for (const std::string_view line : split(text, '\n')) {
    if (line.starts_with(kName)) {
      const auto usage_us = parse_number<std::uint64_t>(line.substr(kName.size()));
      return usage_us ? std::optional(*usage_us * kNsPerUs) : std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace

// One cgroup of a look.
struct CgroupRanking::Seen {
  CgroupRank rank;                          // used_ns: since it began; from weigh() on of the cycle
  std::string below_mount;                  // "/docker/ID"
  const CgroupHierarchy* memory = nullptr;  // where its memory is counted
  std::size_t parent = kNone;               // its place among all
  bool is_read = false;                     // how much it used
  bool is_excluded = false;
  bool has_below = false;
  bool has_tasks = false;          // looked at where it has others below
  std::uint64_t weight_ns = 0;     // used_ns, and more for one that was chosen
  std::uint64_t memory_bytes = 0;  // read where it decides
  [[nodiscard]] bool is_candidate() const {
    return is_read && !is_excluded && (!has_below || has_tasks);
  }
};

// All cgroups, of v1 and of v2, as one tree: what v2 alone has hangs below the same path of v1.
class CgroupRanking::Look {
 public:
  Look(std::span<const CgroupHierarchy> hierarchies, std::span<const Cgroup> excluded)
      : hierarchies_(hierarchies), excluded_(excluded) {}

  Result<std::vector<Seen>> run();

 private:
  Result<> walk(const CgroupHierarchy& hierarchy, const CgroupHierarchy* memory);
  std::size_t add(const CgroupHierarchy& hierarchy, const SeenCgroup& cgroup, std::size_t parent);
  [[nodiscard]] bool is_excluded(sel_hierarchy hierarchy, std::uint64_t id) const;
  void look_for_tasks();

  std::span<const CgroupHierarchy> hierarchies_;
  std::span<const Cgroup> excluded_;
  std::vector<Seen> seen_;
  std::unordered_map<std::string, std::size_t> by_path_;  // of seen_, below the mount
};

bool CgroupRanking::Look::is_excluded(sel_hierarchy hierarchy, std::uint64_t id) const {
  return std::ranges::any_of(excluded_, [&](const Cgroup& cgroup) {
    return cgroup.hierarchy == hierarchy && cgroup.id == id;
  });
}

// Its place among all.
std::size_t CgroupRanking::Look::add(const CgroupHierarchy& hierarchy, const SeenCgroup& cgroup,
                                     std::size_t parent) {
  std::array<char, 1024> buffer{};
  const bool is_v2 = hierarchy.number == SEL_V2;
  const std::string_view text =
      read_small(cgroup.parent, cgroup.name + (is_v2 ? "/cpu.stat" : "/cpuacct.usage"), buffer);
  const auto usage_ns = is_v2 ? usage_in_stat(text) : number_in(text);
  Seen seen;
  seen.rank = {.cgroup = {.hierarchy = *hierarchy.number,
                          .id = cgroup.id,
                          .path = hierarchy.directory + cgroup.below_mount},
               .used_ns = usage_ns.value_or(0),
               .is_container = !container_id_of(cgroup.name).empty()};
  seen.below_mount = cgroup.below_mount;
  seen.parent = parent;
  seen.is_read = usage_ns.has_value();  // else it has gone
  seen.is_excluded =
      is_excluded(*hierarchy.number, cgroup.id) || (parent != kNone && seen_[parent].is_excluded);
  if (parent != kNone) {
    seen_[parent].has_below = true;
  }
  seen_.push_back(std::move(seen));
  by_path_.emplace(cgroup.below_mount, seen_.size() - 1);
  return seen_.size() - 1;
}

Result<> CgroupRanking::Look::walk(const CgroupHierarchy& hierarchy,
                                   const CgroupHierarchy* memory) {
  std::vector<std::size_t> above{kNone};  // by depth
  return walk_cgroups(hierarchy.directory, [&](const SeenCgroup& cgroup) {
    above.resize(cgroup.depth);
    const auto known = by_path_.find(cgroup.below_mount);
    const bool is_new = known == by_path_.end();
    const std::size_t place = is_new ? add(hierarchy, cgroup, above.back()) : known->second;
    if (is_new) {
      seen_[place].memory = memory;
    }
    above.push_back(place);
    return !seen_[place].rank.is_container;
  });
}

void CgroupRanking::Look::look_for_tasks() {
  std::array<char, 16> buffer{};
  for (Seen& seen : seen_) {
    const Cgroup& cgroup = seen.rank.cgroup;
    if (seen.has_below && seen.is_read && !seen.is_excluded) {
      const char* file = cgroup.hierarchy == SEL_V2 ? "/cgroup.threads" : "/tasks";
      seen.has_tasks = !read_small(AT_FDCWD, cgroup.path + file, buffer).empty();
    }
    seen.rank.cgroup.is_alone = seen.has_below;
  }
}

Result<std::vector<CgroupRanking::Seen>> CgroupRanking::Look::run() {
  const auto v1 = std::ranges::find_if(hierarchies_, counts_cpu_in_v1);
  const auto v2 = std::ranges::find(hierarchies_, SEL_V2, &CgroupHierarchy::number);
  const auto memory = std::ranges::find(hierarchies_, SEL_V1_memory, &CgroupHierarchy::number);
  if (v1 == hierarchies_.end() && v2 == hierarchies_.end()) {
    return fail(Errc::unsupported,
                fmt::format("no cgroup hierarchy counts CPU time: neither v1's cpuacct nor v2 is "
                            "mounted, only {}",
                            list_hierarchies(hierarchies_)));
  }
  if (v1 != hierarchies_.end()) {
    TRY(walk(*v1, memory == hierarchies_.end() ? nullptr : &*memory));
  }
  if (v2 != hierarchies_.end()) {
    TRY(walk(*v2, &*v2));
  }
  look_for_tasks();
  return std::move(seen_);
}

Result<> CgroupRanking::begin(std::span<const CgroupHierarchy> hierarchies) {
  std::vector<Seen> seen = TRY(Look(hierarchies, {}).run());
  weigh(seen);
  return {};
}

// From what was used since each began to what was used in this cycle, by the tasks of a cgroup that
// has others below; forgets those that are gone.  A child that went in this cycle counts as such.
void CgroupRanking::weigh(std::vector<Seen>& seen) {
  std::unordered_map<Key, Known, KeyHash> now;
  now.reserve(seen.size());
  std::vector<std::uint64_t> below_ns(seen.size());
  for (Seen& one : seen) {
    CgroupRank& rank = one.rank;
    const Key key{rank.cgroup.hierarchy, rank.cgroup.id};
    const auto before = known_.find(key);
    now[key] = {.usage_ns = rank.used_ns, .is_chosen = false};
    if (before != known_.end()) {
      rank.used_ns -= std::min(rank.used_ns, before->second.usage_ns);
    }
    if (one.parent != kNone) {
      below_ns[one.parent] += rank.used_ns;
    }
  }
  for (std::size_t i = 0; i < seen.size(); ++i) {
    CgroupRank& rank = seen[i].rank;
    const auto before = known_.find({rank.cgroup.hierarchy, rank.cgroup.id});
    const bool was_chosen = before != known_.end() && before->second.is_chosen;
    rank.used_ns -= std::min(rank.used_ns, below_ns[i]);
    seen[i].weight_ns = rank.used_ns + (was_chosen ? rank.used_ns / 2 + 1 : 0);
  }
  known_ = std::move(now);
}

// The first `limit` stay.  Memory is read of those alone that share the place of the last one.
void CgroupRanking::take_best(std::vector<Seen>& candidates, std::size_t limit) {
  const auto by_weight = [](const Seen& left, const Seen& right) {
    return std::tuple(right.weight_ns, right.memory_bytes,
                      std::string_view(left.rank.cgroup.path)) <
           std::tuple(left.weight_ns, left.memory_bytes, std::string_view(right.rank.cgroup.path));
  };
  if (limit == 0 || candidates.size() <= limit) {
    candidates.resize(std::min(candidates.size(), limit));
    return;
  }
  const auto cut = candidates.begin() + static_cast<std::ptrdiff_t>(limit);
  std::ranges::nth_element(candidates, cut - 1, by_weight);
  const std::uint64_t last_ns = (cut - 1)->weight_ns;
  std::array<char, 64> buffer{};
  for (Seen& candidate : candidates) {
    if (candidate.weight_ns == last_ns && candidate.memory != nullptr) {
      const std::string path =
          candidate.memory->directory + candidate.below_mount +
          (candidate.memory->number == SEL_V2 ? "/memory.current" : "/memory.usage_in_bytes");
      candidate.memory_bytes = number_in(read_small(AT_FDCWD, path, buffer)).value_or(0);
    }
  }
  std::ranges::nth_element(candidates, cut - 1, by_weight);
  candidates.erase(cut, candidates.end());
}

RankedCount CgroupRanking::take_best_into(std::vector<Seen>& chosen, std::vector<Seen> candidates,
                                          std::size_t limit) {
  RankedCount count{.candidates = candidates.size()};
  take_best(candidates, limit);
  count.chosen = candidates.size();
  std::ranges::move(candidates, std::back_inserter(chosen));
  return count;
}

Result<Ranking> CgroupRanking::refresh(std::span<const CgroupHierarchy> hierarchies,
                                       std::span<const Cgroup> excluded) {
  std::vector<Seen> seen = TRY(Look(hierarchies, excluded).run());
  weigh(seen);
  std::vector<Seen> containers;
  std::vector<Seen> others;
  for (Seen& one : seen) {
    if (one.is_candidate()) {
      const bool is_apart = limits_.containers != 0 && one.rank.is_container;
      (is_apart ? containers : others).push_back(std::move(one));
    }
  }
  Ranking ranking;
  std::vector<Seen> chosen;
  ranking.containers = take_best_into(chosen, std::move(containers), limits_.containers);
  const std::size_t left = limits_.cgroups - std::min(limits_.cgroups, chosen.size());
  ranking.others = take_best_into(chosen, std::move(others), left);
  for (Seen& one : chosen) {
    known_[{one.rank.cgroup.hierarchy, one.rank.cgroup.id}].is_chosen = true;
    ranking.chosen.push_back(std::move(one.rank));
  }
  std::ranges::sort(ranking.chosen, [](const CgroupRank& left_one, const CgroupRank& right_one) {
    return std::tuple(right_one.used_ns, std::string_view(left_one.cgroup.path)) <
           std::tuple(left_one.used_ns, std::string_view(right_one.cgroup.path));
  });
  return ranking;
}

}  // namespace waggle
