// SPDX-License-Identifier: Apache-2.0
// cpuacct.usage (cgroup-v1/cpuacct.rst), cpu.stat and memory.current (cgroup-v2.rst): one number
// each, or lines of "name number".
#include "userspace/select/cgroup_ranking.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <string_view>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "base/file.h"
#include "base/text.h"
#include "base/unique_c.h"
#include "base/unique_fd.h"
#include "userspace/process/container_id.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxDirectories = 100'000;
constexpr int kMaxDepth = 64;
constexpr std::uint64_t kNsPerUs = 1000;

using Directory = std::unique_ptr<DIR, Deleter<::closedir>>;

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

// One hierarchy, from its mount down, by descriptors: a look costs four system calls for each
// cgroup, and a directory is listed only when it has others below.
class CgroupRanking::Walk {
 public:
  Walk(const CgroupHierarchy& hierarchy, const CgroupHierarchy* memory,
       const std::vector<Cgroup>& excluded, std::vector<Candidate>& found)
      : hierarchy_(hierarchy), memory_(memory), excluded_(excluded), found_(found) {}

  Result<> run() {
    const UniqueFd mount = TRY(open_file(hierarchy_.directory, O_RDONLY | O_DIRECTORY));
    TRY(list(mount.get(), "", 0));
    return {};
  }

 private:
  // Those below `directory`, which is at `path` below the mount; whether there are any.
  Result<bool> list(int directory, const std::string& path, int depth) {
    const Directory entries(::fdopendir(::fcntl(directory, F_DUPFD_CLOEXEC, 0)));
    bool has_any = false;
    while (const dirent* entry = entries ? ::readdir(entries.get()) : nullptr) {
      const std::string_view name = entry->d_name;
      const bool may_be_one = entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN;
      if (may_be_one && name != "." && name != "..") {
        has_any |= TRY(look_at(directory, path, std::string(name), depth + 1));
      }
    }
    return has_any;
  }

  // Whether it is a cgroup.
  Result<bool> look_at(int parent, const std::string& parent_path, const std::string& name,
                       int depth) {
    struct stat status{};
    if (::fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISDIR(status.st_mode)) {
      return false;  // a file, or it has gone
    }
    if (++looked_at_ > kMaxDirectories) {
      return fail(Errc::exhausted, fmt::format("more than {} cgroups to look at", kMaxDirectories));
    }
    std::string path = parent_path + "/" + name;
    if (is_excluded(status.st_ino)) {
      return true;
    }
    const bool is_container = !container_id_of(name).empty();
    constexpr nlink_t kOfLeaf = 2;  // as cgroup's file systems count
    bool has_below = !is_container && status.st_nlink != kOfLeaf && depth < kMaxDepth;
    if (has_below) {
      const UniqueFd directory(
          ::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      has_below = directory.is_open() && TRY(list(directory.get(), path, depth));
    }
    if (!has_below) {
      add(parent, name, std::move(path), status.st_ino, is_container);
    }
    return true;
  }

  bool is_excluded(std::uint64_t id) const {
    return std::ranges::any_of(excluded_, [&](const Cgroup& cgroup) {
      return cgroup.hierarchy == *hierarchy_.number && cgroup.id == id;
    });
  }

  void add(int parent, const std::string& name, std::string path, std::uint64_t id,
           bool is_container) {
    std::array<char, 1024> buffer{};
    const bool is_v2 = hierarchy_.number == SEL_V2;
    const std::string_view text =
        read_small(parent, name + (is_v2 ? "/cpu.stat" : "/cpuacct.usage"), buffer);
    const auto usage_ns = is_v2 ? usage_in_stat(text) : number_in(text);
    if (!usage_ns) {
      return;  // it has gone
    }
    Candidate candidate;
    candidate.rank = {
        .cgroup = {.hierarchy = *hierarchy_.number, .id = id, .path = hierarchy_.directory + path},
        .used_ns = *usage_ns,
        .is_container = is_container};
    candidate.below_mount = std::move(path);
    candidate.memory = memory_;
    found_.push_back(std::move(candidate));
  }

  const CgroupHierarchy& hierarchy_;
  const CgroupHierarchy* memory_;
  const std::vector<Cgroup>& excluded_;
  std::vector<Candidate>& found_;
  std::size_t looked_at_ = 0;
};

// used_ns: since each began.
Result<std::vector<CgroupRanking::Candidate>> CgroupRanking::look() {
  const auto v1 = std::ranges::find_if(hierarchies_, counts_cpu_in_v1);
  const auto v2 = std::ranges::find(hierarchies_, SEL_V2, &CgroupHierarchy::number);
  const auto memory = std::ranges::find(hierarchies_, SEL_V1_memory, &CgroupHierarchy::number);
  if (v1 == hierarchies_.end() && v2 == hierarchies_.end()) {
    return fail(Errc::unsupported,
                fmt::format("no cgroup hierarchy counts CPU time: neither v1's cpuacct nor v2 is "
                            "mounted, only {}",
                            list_hierarchies(hierarchies_)));
  }
  std::vector<Candidate> candidates;
  if (v1 != hierarchies_.end()) {
    TRY(Walk(*v1, memory == hierarchies_.end() ? nullptr : &*memory, excluded_, candidates).run());
  }
  if (v2 == hierarchies_.end()) {
    return candidates;
  }
  std::unordered_set<std::string> paths;
  for (const Candidate& candidate : candidates) {
    paths.insert(candidate.below_mount);
  }
  std::vector<Candidate> of_v2;
  TRY(Walk(*v2, &*v2, excluded_, of_v2).run());
  for (Candidate& candidate : of_v2) {
    if (!paths.contains(candidate.below_mount)) {
      candidates.push_back(std::move(candidate));
    }
  }
  return candidates;
}

Result<> CgroupRanking::begin() {
  for (const Candidate& candidate : TRY(look())) {
    const Cgroup& cgroup = candidate.rank.cgroup;
    known_[{cgroup.hierarchy, cgroup.id}] = {.usage_ns = candidate.rank.used_ns,
                                             .is_chosen = false};
  }
  return {};
}

// From what was used since each began to what was used in this cycle; forgets those that are gone.
void CgroupRanking::weigh(std::vector<Candidate>& candidates) {
  std::unordered_map<Key, Known, KeyHash> now;
  now.reserve(candidates.size());
  for (Candidate& candidate : candidates) {
    CgroupRank& rank = candidate.rank;
    const Key key{rank.cgroup.hierarchy, rank.cgroup.id};
    const auto before = known_.find(key);
    const bool was_chosen = before != known_.end() && before->second.is_chosen;
    now[key] = {.usage_ns = rank.used_ns, .is_chosen = false};
    if (before != known_.end()) {
      rank.used_ns -= std::min(rank.used_ns, before->second.usage_ns);
    }
    candidate.weight_ns = rank.used_ns + (was_chosen ? rank.used_ns / 2 + 1 : 0);
  }
  known_ = std::move(now);
}

// The first `limit` stay.  Memory is read of those alone that share the place of the last one.
void CgroupRanking::take_best(std::vector<Candidate>& candidates, std::size_t limit) {
  const auto by_weight = [](const Candidate& left, const Candidate& right) {
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
  for (Candidate& candidate : candidates) {
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

Result<Ranking> CgroupRanking::refresh() {
  std::vector<Candidate> candidates = TRY(look());
  weigh(candidates);
  Ranking ranking;
  ranking.candidates = candidates.size();
  std::size_t left = limits_.cgroups;
  if (limits_.containers != 0) {
    const auto others = std::ranges::partition(
        candidates, [](const Candidate& candidate) { return candidate.rank.is_container; });
    std::vector<Candidate> containers(std::make_move_iterator(candidates.begin()),
                                      std::make_move_iterator(others.begin()));
    candidates.erase(candidates.begin(), others.begin());
    take_best(containers, limits_.containers);
    left -= std::min(left, containers.size());
    take_best(candidates, left);
    std::ranges::move(containers, std::back_inserter(candidates));
  } else {
    take_best(candidates, left);
  }
  for (Candidate& candidate : candidates) {
    known_[{candidate.rank.cgroup.hierarchy, candidate.rank.cgroup.id}].is_chosen = true;
    ranking.chosen.push_back(std::move(candidate.rank));
  }
  std::ranges::sort(ranking.chosen, [](const CgroupRank& left_one, const CgroupRank& right_one) {
    return std::tuple(right_one.used_ns, std::string_view(left_one.cgroup.path)) <
           std::tuple(left_one.used_ns, std::string_view(right_one.cgroup.path));
  });
  return ranking;
}

}  // namespace waggle
