// SPDX-License-Identifier: Apache-2.0
#include "userspace/output/live_table.h"

#include <algorithm>
#include <cctype>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "userspace/output/function_times.h"

namespace waggle {

namespace {

struct Seconds {  // of CPU
  double self = 0;
  double total = 0;
};

using Sums = std::unordered_map<std::string, Seconds>;

// In a container or not: two processes of one name are told apart by it.
std::string process_name(const Profile& profile, const Profile::Stack& stack) {
  const std::string_view container = profile.name(stack.container);
  std::string name(profile.name(stack.comm));
  return container.empty() ? name : name.append(" in ").append(container);
}

std::string container_name(const Profile& profile, const Profile::Stack& stack) {
  const std::string_view container = profile.name(stack.container);
  return container.empty() ? "(no container)" : std::string(container);
}

void add_functions(const LiveMoment& moment, Sums& sums) {
  for (const FunctionTime& time : function_times(moment.profile)) {
    Seconds& sum = sums[std::string(moment.profile.name(time.name))];
    sum.self += static_cast<double>(time.self) / moment.frequency;
    sum.total += static_cast<double>(time.total) / moment.frequency;
  }
}

void add_owners(const LiveMoment& moment, LiveBy by, Sums& sums) {
  for (const auto& [stack, count] : moment.profile.counts()) {
    Seconds& sum = sums[by == LiveBy::processes ? process_name(moment.profile, stack)
                                                : container_name(moment.profile, stack)];
    sum.self += static_cast<double>(count) / moment.frequency;
    sum.total = sum.self;
  }
}

// ASCII's letters alone: other languages' cases are not worth a library here.
bool holds(std::string_view text, std::string_view part) {
  const auto lower = [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  };
  return !std::ranges::search(text, part, {}, lower, lower).empty() || part.empty();
}

}  // namespace

void LiveWindow::add(LiveMoment moment) {
  moments_.push_back(std::move(moment));
  if (moments_.size() > kept_) {
    moments_.pop_front();
  }
}

LiveTable LiveWindow::rank(const LiveView& view) const {
  constexpr double kPercent = 100;
  LiveTable table;
  Sums sums;
  double busy_seconds = 0;
  for (const LiveMoment& moment : moments_) {
    table.seconds += moment.seconds;
    table.samples += moment.samples;
    table.lost += moment.lost;
    if (moment.frequency <= 0) {
      continue;
    }
    busy_seconds += static_cast<double>(moment.profile.total()) / moment.frequency;
    if (view.by == LiveBy::functions) {
      add_functions(moment, sums);
    } else {
      add_owners(moment, view.by, sums);
    }
  }
  if (table.seconds <= 0) {
    return table;
  }
  table.busy = kPercent * busy_seconds / table.seconds;
  for (const auto& [name, sum] : sums) {
    if (holds(name, view.filter)) {
      table.rows.push_back({.name = name,
                            .self = kPercent * sum.self / table.seconds,
                            .total = kPercent * sum.total / table.seconds});
    }
  }
  std::ranges::sort(table.rows, [&](const LiveRow& a, const LiveRow& b) {
    const auto key = [&](const LiveRow& row) {
      return view.order == LiveOrder::self ? std::pair(row.self, row.total)
                                           : std::pair(row.total, row.self);
    };
    return key(a) != key(b) ? key(a) > key(b) : a.name < b.name;
  });
  return table;
}

}  // namespace waggle
