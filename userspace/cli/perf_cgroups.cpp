// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/perf_cgroups.h"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>

#include "base/text.h"
#include "userspace/select/cgroup_hierarchies.h"

namespace waggle {

namespace {

// Where perf_event is a controller of v1, perf counts there; else in v2.
const CgroupHierarchy* find_perf_hierarchy(const Selection& selection) {
  const auto find = [&](const auto& is_it) -> const CgroupHierarchy* {
    const auto found = std::ranges::find_if(selection.hierarchies, is_it);
    return found == selection.hierarchies.end() ? nullptr : &*found;
  };
  const CgroupHierarchy* v1 = find([](const CgroupHierarchy& hierarchy) {
    const auto controllers = split(hierarchy.name, ',');
    return std::ranges::find(controllers, "perf_event") != controllers.end();
  });
  return v1 != nullptr
             ? v1
             : find([](const CgroupHierarchy& hierarchy) { return hierarchy.number == SEL_V2; });
}

Result<const CgroupHierarchy*> need_perf_hierarchy(const Selection& selection) {
  const CgroupHierarchy* hierarchy = find_perf_hierarchy(selection);
  if (hierarchy == nullptr) {
    return fail(Errc::unsupported,
                "perf needs cgroup v2 or the v1 controller perf_event, and neither is mounted");
  }
  return hierarchy;
}

// Of a cgroup of any hierarchy; "" where there is none of the same path that perf can be told of.
std::string same_name_in(const CgroupHierarchy& perf, const Cgroup& cgroup,
                         const Selection& selection) {
  const CgroupHierarchy* own = hierarchy_of(cgroup.path, selection.hierarchies);
  if (own == nullptr) {
    return "";
  }
  std::string_view name = std::string_view(cgroup.path).substr(own->directory.size());
  name.remove_prefix(std::min(name.find_first_not_of('/'), name.size()));
  const bool is_there = !name.empty() && name.find(',') == std::string_view::npos &&
                        cgroup_at(fmt::format("{}/{}", perf.directory, name), *perf.number);
  return is_there ? std::string(name) : "";
}

Result<std::string> name_for_perf(const Cgroup& cgroup, const CgroupHierarchy& hierarchy) {
  const bool is_there =
      cgroup.hierarchy == hierarchy.number && is_at_or_below(cgroup.path, hierarchy.directory);
  if (!is_there) {
    return fail(Errc::unsupported,
                fmt::format("{}: perf counts by the cgroups of {} alone: give a path below {}, or "
                            "use -p",
                            printable(cgroup.path), printable(hierarchy.name),
                            printable(hierarchy.directory)));
  }
  std::string_view name = std::string_view(cgroup.path).substr(hierarchy.directory.size());
  name.remove_prefix(std::min(name.find_first_not_of('/'), name.size()));
  if (name.find(',') != std::string_view::npos) {
    return fail(Errc::unsupported,
                fmt::format("{}: perf cannot be told of a cgroup with a comma in its name",
                            printable(cgroup.path)));
  }
  return std::string(name.empty() ? "/" : name);
}

}  // namespace

Result<std::vector<std::string>> perf_cgroups_of(const Selection& selection) {
  if (!selection.excluded.empty()) {
    return fail(Errc::unsupported, "--cgroup-exclude needs the ebpf engine: perf leaves none out");
  }
  if (!selection.comms.empty()) {
    return fail(Errc::unsupported, "--comm needs the ebpf engine: perf cannot tell names");
  }
  const CgroupHierarchy* hierarchy = TRY(need_perf_hierarchy(selection));
  std::vector<std::string> names;
  for (const Cgroup& cgroup : selection.included) {
    const bool is_below_another = std::ranges::any_of(selection.included, [&](const Cgroup& other) {
      return other.path != cgroup.path && is_at_or_below(cgroup.path, other.path);
    });
    if (is_below_another) {
      continue;
    }
    std::string name = TRY(name_for_perf(cgroup, *hierarchy));
    if (std::ranges::find(names, name) == names.end()) {
      names.push_back(std::move(name));
    }
  }
  if (names.size() > kMaxPerfCgroups) {
    return fail(Errc::unsupported,
                fmt::format("{} cgroups: perf is told of {} at most (name one above them)",
                            names.size(), kMaxPerfCgroups));
  }
  return names;
}

Result<RankedPerfCgroups> ranked_perf_cgroups_of(const Selection& selection) {
  const CgroupHierarchy& hierarchy = *TRY(need_perf_hierarchy(selection));
  RankedPerfCgroups ranked;
  std::size_t absent = 0;
  std::size_t too_many = 0;
  for (const Cgroup& cgroup : selection.included) {
    std::string name = same_name_in(hierarchy, cgroup, selection);
    const bool is_known = std::ranges::any_of(ranked.names, [&](const std::string& other) {
      return is_at_or_below(name, other) || is_at_or_below(other, name);
    });
    if (name.empty()) {
      ++absent;
    } else if (!is_known && ranked.names.size() == kMaxPerfCgroups) {
      ++too_many;
    } else if (!is_known) {
      ranked.names.push_back(std::move(name));
    }
  }
  const auto leave_out = [&](std::size_t count, const std::string& why) {
    if (count != 0) {
      ranked.left_out.push_back(
          fmt::format("--perf-use-cgroups: {} cgroup{} {}", count, count == 1 ? "" : "s", why));
    }
  };
  leave_out(absent, fmt::format("that perf cannot be told of, as it counts by {} alone",
                                printable(hierarchy.name)));
  leave_out(too_many, fmt::format("beyond the {} that perf is told of", kMaxPerfCgroups));
  return ranked;
}

}  // namespace waggle
