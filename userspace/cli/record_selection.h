// SPDX-License-Identifier: Apache-2.0
// From the options that say who is profiled to what that is on this host, and `--dry-run`, which
// shows it.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "userspace/cli/record_options.h"
#include "userspace/remote/container_runtime.h"
#include "userspace/select/cgroup_ranking.h"
#include "userspace/select/selection.h"

namespace waggle {

// Says in the log which hierarchy a path was found in.  Errc::not_found: an option's value is
// nothing on this host.
Result<Selection> find_selection(const RecordOptions& options);

// The same again and again, for sessions: cgroups come and go, and a ranking is of the time since
// the last one.  The log has what it found where that is something else than before.
class SelectionFinder {
 public:
  explicit SelectionFinder(RecordOptions options) : options_(std::move(options)) {}

  // The first ranking is of the time from here on; without it find() takes a moment for that.
  void begin();
  Result<Selection> find();
  // Whether it may find something else the next time.
  [[nodiscard]] bool may_change() const;

 private:
  Result<Selection> find_named();
  Result<> begin_ranking(const Selection& selection);
  Result<> rank(Selection& selection);
  void tell_ranked(const Ranking& ranked, const Selection& selection);
  [[nodiscard]] bool is_new(const std::string& about, const std::string& text);

  RecordOptions options_;
  std::optional<CgroupRanking> ranking_;
  std::vector<Cgroup> unranked_;  // that it leaves out
  std::chrono::steady_clock::time_point begun_;
  std::map<std::string, std::string> told_;
};

// Where names of containers are asked, in this order.
std::vector<ContainerSocket> container_sockets_of(const RecordOptions& options);

// One line for each process: its id, its name, why it would be profiled.  Control characters of
// names are replaced.
Result<std::string> list_selected(const RecordOptions& options, const Selection& selection);

}  // namespace waggle
