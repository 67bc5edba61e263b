// SPDX-License-Identifier: Apache-2.0
// Who has used the CPUs in the last moments, ranked: what `waggle top` shows.  Not for how it looks
// (live_text.h), nor for taking samples.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "userspace/profile/profile.h"

namespace waggle {

enum class LiveBy { functions, processes, containers };
enum class LiveOrder { self, total };

// What a person has chosen to see.
struct LiveView {
  LiveBy by = LiveBy::functions;
  LiveOrder order = LiveOrder::self;  // of functions alone: others have no callers
  std::string filter = {};            // rows whose name holds it, in upper or lower case; "": all
};

// One moment, as long as the samples in it took.
struct LiveMoment {
  Profile profile;
  double frequency = 0;  // Hz; counts / frequency = CPU seconds
  double seconds = 0;
  std::uint64_t samples = 0;
  std::uint64_t lost = 0;
};

struct LiveRow {
  std::string name;
  double self = 0;   // percent of one CPU
  double total = 0;  // likewise, with what it called
};

struct LiveTable {
  std::vector<LiveRow> rows;  // the most first; names are not yet safe to print
  double seconds = 0;         // that it is of
  double busy = 0;            // percent of one CPU, of all that was sampled
  std::uint64_t samples = 0;
  std::uint64_t lost = 0;
};

// The last moments, `kept` at most.
class LiveWindow {
 public:
  explicit LiveWindow(std::size_t kept) : kept_(kept) {}
  void add(LiveMoment moment);
  [[nodiscard]] LiveTable rank(const LiveView& view) const;

 private:
  std::size_t kept_;
  std::deque<LiveMoment> moments_;
};

}  // namespace waggle
