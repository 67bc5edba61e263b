// SPDX-License-Identifier: Apache-2.0
// What `record` says on stderr when it is done.  Not for progress, nor for warnings.
#pragma once

#include <string>
#include <vector>

#include "userspace/output/recording_facts.h"
#include "userspace/profile/profile.h"

namespace waggle {

struct SummaryOptions {
  bool has_colour = false;                      // only for a terminal
  std::vector<std::string> written_paths = {};  // the last lines, one each
};

// At most 25 lines of at most 80 columns: samples, every loss by its counter, top functions by
// self time, top processes, the files.  Losses and paths are told in full whatever their number
// and length; the tables give way.  Ends in a newline.
std::string render_summary(const Profile& profile, const RecordingFacts& facts,
                           const SummaryOptions& options);

}  // namespace waggle
