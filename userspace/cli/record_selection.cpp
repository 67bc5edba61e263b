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

using Tell = std::function<void(std::string_view option, std::string_view value,
                                const std::vector<Cgroup>& cgroups)>;

std::string text_of(const std::vector<Cgroup>& cgroups,
                    std::span<const CgroupHierarchy> hierarchies) {
  const CgroupHierarchy* hierarchy = hierarchy_of(cgroups.front().path, hierarchies);
  std::string text = fmt::format("in {}: ", hierarchy == nullptr ? "" : hierarchy->name);
  for (std::size_t i = 0; i < std::min(cgroups.size(), kShown); ++i) {
    text += (i == 0 ? "" : ", ") + cgroups[i].path;
  }
  if (cgroups.size() > kShown) {
    text += fmt::format(" and {} more", cgroups.size() - kShown);
  }
  return text;
}

// The cgroups of all values of one option, added to `found`.
Result<> find_all(std::string_view option, const std::vector<std::string>& values, const Find& find,
                  std::span<const CgroupHierarchy> hierarchies, const Tell& tell,
                  std::vector<Cgroup>& found) {
  for (const std::string& value : values) {
    auto cgroups = find(value, hierarchies);
    if (!cgroups) {
      return add_context(fmt::format("{} {}", option, quoted(value)), std::move(cgroups).error());
    }
    tell(option, value, *cgroups);
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
  const std::vector<ContainerSocket> sockets = container_sockets_of(options);
  for (const ContainerSocket& socket : sockets) {
    const auto named = ask_container(socket, text);
    if (named && *named) {
      return find_container((*named)->id, hierarchies);
    }
    if (!named && named.error().code != Errc::not_found) {
      problem = named.error().what;
    }
  }
  return fail(Errc::not_found,
              fmt::format("{}; names were asked of {} (--container-socket, --cri-socket)", problem,
                          list_sockets(sockets)));
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

bool SelectionFinder::is_new(const std::string& about, const std::string& text) {
  const auto [known, is_first] = told_.try_emplace(about, text);
  return is_first || std::exchange(known->second, text) != text;
}

bool SelectionFinder::may_change() const {
  return !options_.cgroups.empty() || !options_.excluded_cgroups.empty() ||
         !options_.containers.empty() || options_.ranks_cgroups;
}

// All but what is ranked.
Result<Selection> SelectionFinder::find_named() {
  Selection selection;
  selection.comms = options_.comms;
  if (!may_change()) {
    return selection;
  }
  selection.hierarchies = TRY(find_cgroup_hierarchies());
  const std::vector<CgroupHierarchy>& hierarchies = selection.hierarchies;
  const Tell tell = [&](std::string_view option, std::string_view value,
                        const std::vector<Cgroup>& cgroups) {
    const std::string text = text_of(cgroups, hierarchies);
    if (is_new(fmt::format("{} {}", option, value), text)) {
      LOG_INFO("{} {}: {}", option, quoted(value), text);
    }
  };
  const Find find_any = [](std::string_view text, std::span<const CgroupHierarchy> among) {
    return find_cgroups(text, among);
  };
  const Find find_one = [this](std::string_view text, std::span<const CgroupHierarchy> among) {
    return find_named_container(text, among, options_);
  };
  TRY(find_all("--cgroup", options_.cgroups, find_any, hierarchies, tell, selection.included));
  TRY(find_all("--container", options_.containers, find_one, hierarchies, tell,
               selection.included));
  TRY(find_all("--cgroup-exclude", options_.excluded_cgroups, find_any, hierarchies, tell,
               selection.excluded));
  return selection;
}

Result<> SelectionFinder::begin_ranking(const Selection& selection) {
  if (ranking_ && unranked_ == selection.excluded) {
    return {};
  }
  unranked_ = selection.excluded;
  ranking_.emplace(options_.ranking, selection.hierarchies, selection.excluded);
  begun_ = std::chrono::steady_clock::now();
  return ranking_->begin();
}

void SelectionFinder::begin() {
  if (!options_.ranks_cgroups) {
    return;
  }
  if (const auto selection = find_named()) {
    (void)begin_ranking(*selection);  // find() tells what is wrong
  }
}

void SelectionFinder::tell_ranked(const Ranking& ranked, const Selection& selection) {
  std::string chosen;
  for (const CgroupRank& rank : ranked.chosen) {
    LOG_DEBUG("--perf-use-cgroups: {} used {:.1f} ms", printable(rank.cgroup.path),
              static_cast<double>(rank.used_ns) / 1e6);
    chosen += rank.cgroup.path + "\n";
  }
  if (!is_new("ranking", chosen)) {
    return;
  }
  if (ranked.chosen.empty()) {
    LOG_WARNING("--perf-use-cgroups: no cgroup was found in {}, so nothing is chosen by it",
                list_hierarchies(selection.hierarchies));
  } else {
    LOG_INFO("--perf-use-cgroups: {} of {} cgroups, {} the busiest", ranked.chosen.size(),
             ranked.candidates, printable(ranked.chosen.front().cgroup.path));
  }
}

// The busiest cgroups since the last time into `included`.
Result<> SelectionFinder::rank(Selection& selection) {
  TRY(begin_ranking(selection));
  std::this_thread::sleep_until(begun_ + kRankingTime);  // the first time
  const Ranking ranked = TRY(ranking_->refresh());
  for (const CgroupRank& rank : ranked.chosen) {
    selection.included.push_back(rank.cgroup);
  }
  tell_ranked(ranked, selection);
  if (ranked.chosen.empty() && selection.included.empty()) {
    selection.included.push_back(no_cgroup());
  }
  if (ranked.chosen.size() < ranked.candidates) {
    selection.left_out.push_back(
        fmt::format("--perf-max-cgroups {}: {} of {} cgroups", options_.ranking.cgroups,
                    ranked.candidates - ranked.chosen.size(), ranked.candidates));
  }
  return {};
}

Result<Selection> SelectionFinder::find() {
  Selection selection = TRY(find_named());
  if (options_.ranks_cgroups) {
    TRY(rank(selection));
  }
  return selection;
}

Result<Selection> find_selection(const RecordOptions& options) {
  return SelectionFinder(options).find();
}

std::vector<ContainerSocket> container_sockets_of(const RecordOptions& options) {
  if (!options.has_container_names) {
    return {};
  }
  std::vector<ContainerSocket> sockets;
  for (const std::string& path : options.container_sockets) {
    sockets.push_back({.path = path, .api = ContainerApi::docker});
  }
  for (const std::string& path : options.cri_sockets) {
    sockets.push_back({.path = path, .api = ContainerApi::cri});
  }
  return sockets.empty() ? default_container_sockets() : sockets;
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
