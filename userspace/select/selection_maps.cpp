// SPDX-License-Identifier: Apache-2.0
#include "userspace/select/selection_maps.h"

#include <bpf/bpf.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "bpf/abi/process.h"

namespace waggle {

namespace {

using Comm = std::array<char, PROCESS_COMM_BYTES>;

struct CgroupOrder {
  bool operator()(const sel_cgroup& left, const sel_cgroup& right) const {
    return std::tie(left.hierarchy, left.id) < std::tie(right.hierarchy, right.id);
  }
};
using CgroupFlags = std::map<sel_cgroup, std::uint32_t, CgroupOrder>;

CgroupFlags flags_of(const Selection& selection) {
  CgroupFlags flags;
  const auto add = [&](const Cgroup& cgroup, std::uint32_t flag) {
    flags[{.id = cgroup.id, .hierarchy = cgroup.hierarchy, .pad_ = 0}] |= flag;
  };
  for (const Cgroup& cgroup : selection.included) {
    add(cgroup, cgroup.is_alone ? SEL_CGROUP_ALONE : SEL_CGROUP_INCLUDED);
  }
  for (const Cgroup& cgroup : selection.excluded) {
    add(cgroup, SEL_CGROUP_EXCLUDED);
  }
  return flags;
}

template <class Key>
std::vector<Key> keys_of(int map, std::size_t limit) {
  std::vector<Key> keys;
  Key key{};
  while (keys.size() < limit &&
         bpf_map_get_next_key(map, keys.empty() ? nullptr : &keys.back(), &key) == 0) {
    keys.push_back(key);
  }
  return keys;
}

template <class Key>
Result<> put(int map, std::string_view name, const Key& key, std::uint32_t value) {
  if (bpf_map_update_elem(map, &key, &value, BPF_ANY) == 0) {
    return {};
  }
  if (errno == E2BIG) {
    return fail(Errc::exhausted, fmt::format("{} is full", name));
  }
  return fail_errno(name, errno);
}

// What is no longer there has been removed by another: so be it.
template <class Key>
void remove(int map, const Key& key) {
  (void)bpf_map_delete_elem(map, &key);
}

}  // namespace

// Exclusions come before all else and go after it.
Result<> SelectionMaps::set_cgroups(const Selection& selection) {
  const CgroupFlags flags = flags_of(selection);
  const std::vector<sel_cgroup> before = keys_of<sel_cgroup>(cgroups_fd_, SEL_MAX_CGROUPS);
  std::uint32_t hierarchies = 0;
  for (const auto& [key, flag] : flags) {
    hierarchies |= std::uint32_t{1} << key.hierarchy;
    if ((flag & SEL_CGROUP_EXCLUDED) != 0) {
      TRY(put(cgroups_fd_, "sel_cgroups", key, flag));
    }
  }
  state_.hierarchies = state_.hierarchies | hierarchies;
  const std::uint32_t otherwise = selection.included.empty() ? SEL_CGROUP_INCLUDED : 0;
  state_.otherwise = state_.otherwise & otherwise;
  for (const auto& [key, flag] : flags) {
    if ((flag & SEL_CGROUP_EXCLUDED) == 0) {
      TRY(put(cgroups_fd_, "sel_cgroups", key, flag));
    }
  }
  state_.otherwise = otherwise;
  for (const sel_cgroup& key : before) {
    if (!flags.contains(key)) {
      remove(cgroups_fd_, key);
    }
  }
  state_.hierarchies = hierarchies;
  return {};
}

Result<> SelectionMaps::set_comms(const Selection& selection) {
  const std::vector<Comm> before = keys_of<Comm>(comms_fd_, SEL_MAX_COMMS);
  std::vector<Comm> wanted;
  for (const std::string_view name : selection.comms) {
    Comm comm{};
    std::ranges::copy(as_comm(name), comm.begin());
    TRY(put(comms_fd_, "sel_comms", comm, 1));
    wanted.push_back(comm);
  }
  for (const Comm& comm : before) {
    if (std::ranges::find(wanted, comm) == wanted.end()) {
      remove(comms_fd_, comm);
    }
  }
  return {};
}

Result<> SelectionMaps::set(const Selection& selection) {
  TRY(set_cgroups(selection));
  if (!selection.comms.empty()) {
    TRY(set_comms(selection));
  }
  return {};
}

}  // namespace waggle
