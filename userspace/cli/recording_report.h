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
#include "userspace/output/recording_facts.h"
#include "userspace/recorder.h"

namespace waggle {

struct RecordingTimes {
  std::chrono::system_clock::time_point start;
  std::chrono::system_clock::time_point end;
};

RecordingFacts make_facts(const Recording& recording, const RecordingTimes& times, int frequency_hz,
                          std::optional<int> command_status);

// Errc of the first file that could not be written; those before it are whole.  The paths written,
// without stdout.
Result<std::vector<std::string>> write_outputs(const std::vector<OutputTarget>& targets,
                                               const Profile& profile, const RecordingFacts& facts,
                                               std::string_view title,
                                               std::chrono::system_clock::time_point end);

// Whether a file could be made at each target now, without leaving one.
Result<> check_outputs(const std::vector<OutputTarget>& targets);

}  // namespace waggle
