// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/record_selection.h"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "userspace/cli/option_values.h"
#include "userspace/process/proc_fs.h"
#include "userspace/remote/container_runtime.h"
#include "userspace/select/cgroup_ranking.h"
#include "userspace/select/container_cgroups.h"
#include "userspace/select/match.h"

namespace waggle {

namespace {

using Find = std::function<Result<std::vector<Cgroup>>(std::string_view text,
                                                       std::span<const CgroupHierarchy>)>;

constexpr std::chrono::milliseconds kRankingTime(300);

constexpr std::size_t kShown = 3;  // cgroups of one value, in the log

void tell(std::string_view option, std::string_view value, const std::vector<Cgroup>& cgroups,
          std::span<const CgroupHierarchy> hierarchies) {
  const CgroupHierarchy* hierarchy = hierarchy_of(cgroups.front().path, hierarchies);
  std::string text;
  for (std::size_t i = 0; i < std::min(cgroups.size(), kShown); ++i) {
    text += (i == 0 ? "" : ", ") + cgroups[i].path;
  }
  if (cgroups.size() > kShown) {
    text += fmt::format(" and {} more", cgroups.size() - kShown);
  }
  LOG_INFO("{} {}: in {}: {}", option, quoted(value), hierarchy == nullptr ? "" : hierarchy->name,
           text);
}

// The cgroups of all values of one option, added to `found`.
Result<> find_all(std::string_view option, const std::vector<std::string>& values, const Find& find,
                  std::span<const CgroupHierarchy> hierarchies, std::vector<Cgroup>& found) {
  for (const std::string& value : values) {
    auto cgroups = find(value, hierarchies);
    if (!cgroups) {
      return add_context(fmt::format("{} {}", option, quoted(value)), std::move(cgroups).error());
    }
    tell(option, value, *cgroups, hierarchies);
    found.insert(found.end(), cgroups->begin(), cgroups->end());
  }
  if (found.size() > SEL_MAX_CGROUPS) {
    return fail(Errc::exhausted,
                fmt::format("{}: more than {} cgroups", option, int{SEL_MAX_CGROUPS}));
  }
  return {};
}

// By the beginning of its id; else by its name, which a runtime must tell.
Result<std::vector<Cgroup>> find_named_container(std::string_view text,
                                                 std::span<const CgroupHierarchy> hierarchies,
                                                 const RecordOptions& options) {
  auto by_id = is_start_of_container_id(text) ? find_container(text, hierarchies)
                                              : Result<std::vector<Cgroup>>();
  if ((by_id && !by_id->empty()) || !options.has_container_names) {
    return by_id;
  }
  std::string problem = by_id ? "no container is called so" : by_id.error().what;
  for (const std::string& socket : container_sockets_of(options)) {
    const auto named = ask_container(socket, text);
    if (named && *named) {
      return find_container((*named)->id, hierarchies);
    }
    if (!named && named.error().code != Errc::not_found) {
      problem = named.error().what;
    }
  }
  return fail(Errc::not_found,
              fmt::format("{}; names were asked of {} (--container-socket)", problem,
                          fmt::join(container_sockets_of(options), ", ")));
}

// The busiest cgroups of a short while into `included`.
Result<> rank(const RecordOptions& options, Selection& selection) {
  CgroupRanking ranking(options.ranking, selection.hierarchies, selection.excluded);
  TRY(ranking.begin());
  std::this_thread::sleep_for(kRankingTime);
  const Ranking ranked = TRY(ranking.refresh());
  for (const CgroupRank& rank : ranked.chosen) {
    LOG_DEBUG("--perf-use-cgroups: {} used {:.1f} ms", printable(rank.cgroup.path),
              static_cast<double>(rank.used_ns) / 1e6);
    selection.included.push_back(rank.cgroup);
  }
  if (selection.included.empty()) {
    LOG_WARNING("--perf-use-cgroups: no cgroup was found in {}, so nothing is chosen by it",
                list_hierarchies(selection.hierarchies));
    selection.included.push_back(no_cgroup());
  } else {
    LOG_INFO("--perf-use-cgroups: {} of {} cgroups, {} the busiest", ranked.chosen.size(),
             ranked.candidates, printable(ranked.chosen.front().cgroup.path));
  }
  if (ranked.chosen.size() < ranked.candidates) {
    selection.left_out.push_back(
        fmt::format("--perf-max-cgroups {}: {} of {} cgroups", options.ranking.cgroups,
                    ranked.candidates - ranked.chosen.size(), ranked.candidates));
  }
  return {};
}

// Nothing: it is gone, or not selected.
std::optional<std::string> line_of(std::uint32_t pid, const RecordOptions& options,
                                   const Selection& selection) {
  const bool is_named = std::ranges::binary_search(options.pids, static_cast<pid_t>(pid));
  const Result<ProcStat> stat = ProcFs().read_stat(pid);
  auto reasons = match_process(pid, selection);
  if (!stat || !reasons || (!options.pids.empty() && !is_named)) {
    return std::nullopt;
  }
  if (is_named) {
    reasons->insert(reasons->begin(),
                    options.with_children ? "--pids, with later children" : "--pids");
  }
  if (reasons->empty()) {
    reasons->emplace_back("the whole host");
  }
  return fmt::format("{:>7} {:<15} {}\n", pid, printable(stat->comm),
                     printable(fmt::format("{}", fmt::join(*reasons, "; "))));
}

}  // namespace

Result<Selection> find_selection(const RecordOptions& options) {
  Selection selection;
  selection.comms = options.comms;
  const bool has_cgroups = !options.cgroups.empty() || !options.excluded_cgroups.empty() ||
                           !options.containers.empty() || options.ranks_cgroups;
  if (!has_cgroups) {
    return selection;
  }
  selection.hierarchies = TRY(find_cgroup_hierarchies());
  const std::vector<CgroupHierarchy>& hierarchies = selection.hierarchies;
  const Find find_any = [](std::string_view text, std::span<const CgroupHierarchy> among) {
    return find_cgroups(text, among);
  };
  TRY(find_all("--cgroup", options.cgroups, find_any, hierarchies, selection.included));
  const Find find_one = [&](std::string_view text, std::span<const CgroupHierarchy> among) {
    return find_named_container(text, among, options);
  };
  TRY(find_all("--container", options.containers, find_one, hierarchies, selection.included));
  TRY(find_all("--cgroup-exclude", options.excluded_cgroups, find_any, hierarchies,
               selection.excluded));
  if (options.ranks_cgroups) {
    TRY(rank(options, selection));
  }
  return selection;
}

std::vector<std::string> container_sockets_of(const RecordOptions& options) {
  if (!options.has_container_names) {
    return {};
  }
  return options.container_sockets.empty() ? default_container_sockets()
                                           : options.container_sockets;
}

Result<std::string> list_selected(const RecordOptions& options, const Selection& selection) {
  std::string text;
  for (const std::uint32_t pid : TRY(ProcFs().list_pids())) {
    if (static_cast<pid_t>(pid) != ::getpid()) {
      text += line_of(pid, options, selection).value_or("");
    }
  }
  return text;
}

}  // namespace waggle
