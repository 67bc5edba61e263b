// SPDX-License-Identifier: Apache-2.0
// What a finished recording says of itself, and the files it goes into.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "userspace/cli/output_path.h"
#include "userspace/output/profile_header.h"
#include "userspace/output/recording_facts.h"
#include "userspace/profile/profile.h"

namespace waggle {

struct RecordingTimes {
  std::chrono::system_clock::time_point start;
  std::chrono::system_clock::time_point end;
};

// What the run knows of a recording, on top of what its engine does.
struct RunFacts {
  std::string engine_reason;
  RecordingTimes times;
  double frequency_hz;  // effective, where the engine does not know
  double paused_s = 0;  // on top of what the engine knows
  std::optional<int> command_status;
  std::optional<double> cpu_s;  // of this process for the recording; none: all of it
};

// CPU time of this process, user and system.
double own_cpu_seconds();

RecordingFacts complete_facts(RecordingFacts of_engine, const RunFacts& run);

// As the kernel has it; "this host" where it has none.
std::string host_name();

// The text of a .col file.  `header`: all but its containers, which the profile has.
std::string render_col(const Profile& profile, ProfileHeader header);

// `header`: likewise.
// Errc of the first file that could not be written; those before it are whole.  The paths written,
// without stdout.
Result<std::vector<std::string>> write_outputs(const std::vector<OutputTarget>& targets,
                                               const Profile& profile, const ProfileHeader& header,
                                               std::string_view title,
                                               std::chrono::system_clock::time_point end);

// Whether a file could be made at each target now, without leaving one.
Result<> check_outputs(const std::vector<OutputTarget>& targets);

}  // namespace waggle
