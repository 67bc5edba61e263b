// SPDX-License-Identifier: Apache-2.0
#include "userspace/select/selection_finder.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "userspace/select/container_cgroups.h"

namespace waggle {

namespace {

constexpr std::chrono::milliseconds kRankingTime(300);

constexpr std::size_t kShown = 3;  // cgroups of one value, in the log

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

void wait_for(std::chrono::milliseconds time, const std::stop_token& stop) {
  std::mutex mutex;
  std::unique_lock lock(mutex);
  (void)std::condition_variable_any().wait_for(lock, stop, time, [] { return false; });
}

// By which limit, and how much it leaves out.
void note_left_out(const Ranking& ranked, const RankingLimits& limits, Selection& selection) {
  const auto note = [&](std::string_view option, std::size_t limit, const RankedCount& count,
                        std::string_view what) {
    if (count.chosen < count.candidates) {
      selection.left_out.push_back(fmt::format("--{} {}: {} of {} {}", option, limit,
                                               count.candidates - count.chosen, count.candidates,
                                               what));
    }
  };
  const bool are_apart = limits.containers != 0;
  note("perf-max-docker-containers", limits.containers, ranked.containers, "containers");
  note("perf-max-cgroups", limits.cgroups, ranked.others, are_apart ? "other cgroups" : "cgroups");
}

}  // namespace

SelectionFinder::SelectionFinder(std::optional<RankingLimits> ranking, IdOfContainer id_of)
    : id_of_(std::move(id_of)) {
  if (ranking) {
    ranking_.emplace(*ranking);
  }
}

bool SelectionFinder::is_new(const std::string& about, const std::string& text) {
  const auto [known, is_first] = told_.try_emplace(about, text);
  return is_first || std::exchange(known->second, text) != text;
}

bool SelectionFinder::may_change(const SelectionWish& wish) const {
  return !wish.cgroups.empty() || !wish.excluded_cgroups.empty() || !wish.containers.empty() ||
         ranking_.has_value();
}

// The cgroups of all values of one option, added to `found`.
Result<> SelectionFinder::find_all(std::string_view option, const std::vector<std::string>& values,
                                   const Find& find,
                                   const std::vector<CgroupHierarchy>& hierarchies,
                                   std::vector<Cgroup>& found) {
  for (const std::string& value : values) {
    const std::string given = fmt::format("{} \"{}\"", option, printable(value));
    auto cgroups = find(value);
    if (!cgroups) {
      return add_context(given, std::move(cgroups).error());
    }
    const std::string text = text_of(*cgroups, hierarchies);
    if (is_new(given, text)) {
      LOG_INFO("{}: {}", given, text);
    }
    found.insert(found.end(), cgroups->begin(), cgroups->end());
  }
  if (found.size() > SEL_MAX_CGROUPS) {
    return fail(Errc::exhausted,
                fmt::format("{}: more than {} cgroups", option, int{SEL_MAX_CGROUPS}));
  }
  return {};
}

// By the beginning of its id; else by its name, which a runtime must tell.
Result<std::vector<Cgroup>> SelectionFinder::find_one_container(
    std::string_view text, const std::vector<CgroupHierarchy>& hierarchies,
    const std::stop_token& stop) const {
  const bool may_be_id = is_start_of_container_id(text);
  auto by_id = may_be_id ? find_container(text, hierarchies) : Result<std::vector<Cgroup>>();
  if ((may_be_id && by_id) || !id_of_) {
    return by_id;
  }
  const Result<std::string> id = id_of_(text, stop);
  if (!id) {
    return fail(id.error().code, by_id
                                     ? id.error().what
                                     : fmt::format("{}; {}", by_id.error().what, id.error().what));
  }
  return find_container(*id, hierarchies);
}

// All but what is ranked.
Result<Selection> SelectionFinder::find_named(const SelectionWish& wish,
                                              const std::stop_token& stop) {
  Selection selection;
  selection.comms = wish.comms;
  if (!may_change(wish)) {
    return selection;
  }
  selection.hierarchies = TRY(find_cgroup_hierarchies());
  const std::vector<CgroupHierarchy>& hierarchies = selection.hierarchies;
  const Find find_any = [&](std::string_view text) { return find_cgroups(text, hierarchies); };
  const Find find_one = [&](std::string_view text) {
    return find_one_container(text, hierarchies, stop);
  };
  TRY(find_all("--cgroup", wish.cgroups, find_any, hierarchies, selection.included));
  TRY(find_all("--container", wish.containers, find_one, hierarchies, selection.included));
  TRY(find_all("--cgroup-exclude", wish.excluded_cgroups, find_any, hierarchies,
               selection.excluded));
  return selection;
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
             ranked.containers.candidates + ranked.others.candidates,
             printable(ranked.chosen.front().cgroup.path));
  }
}

// The busiest cgroups since the last time into `included`.
Result<> SelectionFinder::rank(Selection& selection, const std::stop_token& stop) {
  if (!has_begun_) {
    TRY(ranking_->begin(selection.hierarchies));
    has_begun_ = true;
    wait_for(kRankingTime, stop);
  }
  const Ranking ranked = TRY(ranking_->refresh(selection.hierarchies, selection.excluded));
  for (const CgroupRank& rank : ranked.chosen) {
    selection.included.push_back(rank.cgroup);
  }
  tell_ranked(ranked, selection);
  if (ranked.chosen.empty() && selection.included.empty()) {
    selection.included.push_back(no_cgroup());
  }
  note_left_out(ranked, ranking_->limits(), selection);
  return {};
}

Result<Selection> SelectionFinder::find(const SelectionWish& wish, const std::stop_token& stop) {
  Selection selection = TRY(find_named(wish, stop));
  if (ranking_) {
    TRY(rank(selection, stop));
  }
  return selection;
}

}  // namespace waggle
