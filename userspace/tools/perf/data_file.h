// SPDX-License-Identifier: Apache-2.0
// The data that perf record wrote, as far as it is looked at without perf: what the kernel lost and
// held back, and the names of its events, which are made secret so that the text of perf script
// cannot be forged.  Not for samples: script.h.
//
// Format, as of perf 3.11 on (tools/perf/Documentation/perf.data-file-format.txt of the kernel):
// a header of 104 bytes; sections for the attributes of the events and for the records; behind the
// records a table of the sections that hold further facts, one for each bit that is set in the
// header, of which EVENT_DESC names the events.  A perf that dies leaves a header without the size
// of the records, and nothing behind them: perf reads that only once the header says so.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace waggle {

struct PerfDataFacts {
  std::string event;  // the name of the first one; "": perf died before it wrote it
  std::uint64_t lost_records = 0;
  // While the kernel held an event back since it came too often; of all CPUs together.
  std::chrono::nanoseconds throttled{};
};

// Reads data of one perf that ended, or of a segment, and gives each of its events `name`.
// Errc::malformed: perf is not to be given it.
Result<PerfDataFacts> prepare_perf_data(const UniqueFd& data, std::string_view name);

}  // namespace waggle
