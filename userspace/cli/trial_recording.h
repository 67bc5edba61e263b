// SPDX-License-Identifier: Apache-2.0
// Half a second of real sampling: the proof that a recording works here.  Nothing is written.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace waggle {

struct TrialRecording {
  std::string event;  // "cycles", "cpu-clock"
  int frequency_hz;
  std::uint64_t samples;
  std::uint64_t lost;
};

// Keeps one CPU busy meanwhile, so that there is something to sample.
// btf_path: of --btf, or "".
Result<TrialRecording> run_trial_recording(const std::string& btf_path);
// The same with perf.
Result<TrialRecording> run_fallback_trial(const std::string& perf);

}  // namespace waggle
