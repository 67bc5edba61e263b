// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/trial_recording.h"

#include <algorithm>
#include <chrono>
#include <string_view>

#include "base/work_directory.h"
#include "userspace/attach/sampling_event.h"
#include "userspace/samplers/cpu_sampler.h"
#include "userspace/tools/perf/events.h"

namespace waggle {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kDuration(500);
constexpr int kFrequencyHz = 99;

std::uint64_t lost_samples(const cpu_stats& stats) {
  std::uint64_t lost = 0;
  const auto add = [&](std::string_view kind, std::uint64_t count) {
    lost += kind == "lost" ? count : 0;
  };
#define X(kind, name, text) add(#kind, stats.name);
  WAGGLE_STATS(X)
#undef X
  return lost;
}

}  // namespace

Result<TrialRecording> run_trial_recording(const std::string& btf_path) {
  const int frequency_hz = std::min(kFrequencyHz, TRY(max_sample_rate()));
  const SamplingEvent event = TRY(choose_sampling_event());
  CpuSampler sampler = TRY(
      CpuSampler::load({.frequency = frequency_hz, .skips_itself = false, .btf_path = btf_path}));
  TRY(sampler.start(event));
  const auto end = Clock::now() + kDuration;
  while (Clock::now() < end) {
    TRY(sampler.consume());  // busy on purpose
  }
  sampler.stop();
  TRY(sampler.end_generation());  // the numbers are final then
  const cpu_stats stats = TRY(sampler.stats());
  return TrialRecording{.event = std::string(event.name),
                        .frequency_hz = frequency_hz,
                        .samples = stats.samples,
                        .lost = lost_samples(stats)};
}

Result<TrialRecording> run_fallback_trial(const std::string& perf) {
  const WorkDirectory directory = TRY(WorkDirectory::make());
  const PerfTrial trial = TRY(choose_perf_event(perf, directory.path(), kDuration));
  return TrialRecording{.event = trial.name,
                        .frequency_hz = kPerfTrialHz,
                        .samples = trial.samples,
                        .lost = trial.lost};
}

}  // namespace waggle
