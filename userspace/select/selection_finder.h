// SPDX-License-Identifier: Apache-2.0
// From what a person wants profiled to what that is on this host.  Not for asking a runtime, which
// is done by a function that it is given; nor for a thread that waits: selection_follower.h.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "userspace/select/cgroup_ranking.h"
#include "userspace/select/selection.h"

namespace waggle {

// As it was written.
struct SelectionWish {
  std::vector<std::string> cgroups;
  std::vector<std::string> excluded_cgroups;
  std::vector<std::string> containers;  // the beginnings of ids, or names
  std::vector<std::string> comms;

  bool operator==(const SelectionWish&) const = default;
};

// The same again and again, for sessions: cgroups come and go, and a ranking is of the time since
// the last one, whatever the wish is by then.  The log has what it found where that is something
// else than before.  One thread.
class SelectionFinder {
 public:
  // The id of the container of this name.  Errc::not_found: there is none.
  using IdOfContainer =
      std::function<Result<std::string>(std::string_view name, const std::stop_token& stop)>;

  // `ranking`: what --perf-use-cgroups is limited to; none: it is off.  `id_of`: empty where
  // names are not to be asked.
  SelectionFinder(std::optional<RankingLimits> ranking, IdOfContainer id_of);

  // The first ranking takes a moment, of which it is.  Errc::not_found: something that is wished
  // is nothing on this host.
  Result<Selection> find(const SelectionWish& wish, const std::stop_token& stop = {});
  // Whether it may find something else the next time; else it has nothing to look for.
  [[nodiscard]] bool may_change(const SelectionWish& wish) const;

 private:
  using Find = std::function<Result<std::vector<Cgroup>>(std::string_view text)>;

  Result<Selection> find_named(const SelectionWish& wish, const std::stop_token& stop);
  Result<> find_all(std::string_view option, const std::vector<std::string>& values,
                    const Find& find, const std::vector<CgroupHierarchy>& hierarchies,
                    std::vector<Cgroup>& found);
  Result<std::vector<Cgroup>> find_one_container(std::string_view text,
                                                 const std::vector<CgroupHierarchy>& hierarchies,
                                                 const std::stop_token& stop) const;
  Result<> rank(Selection& selection, const std::stop_token& stop);
  void tell_ranked(const Ranking& ranked, const Selection& selection);
  [[nodiscard]] bool is_new(const std::string& about, const std::string& text);

  std::optional<CgroupRanking> ranking_;
  bool has_begun_ = false;  // the ranking
  IdOfContainer id_of_;
  std::map<std::string, std::string> told_;
};

}  // namespace waggle
