// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/perf/events.h"

#include <fmt/core.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "userspace/tools/perf/recording.h"
#include "userspace/tools/perf/script.h"

namespace waggle {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::array kCandidates = {std::string_view(""), std::string_view("cpu-clock"),
                                    std::string_view("task-clock")};
// Of perf's start, stop and script each; a fifth of a second is usual.
constexpr milliseconds kPatience(8000);

struct Trial {
  const std::string& perf;
  const std::string& directory;
  milliseconds busy;
  bool has_bpf_events = false;
};

struct Failure {
  std::string text;
  bool is_hang;
  bool is_usage = false;  // it does not know an option
};

// As perf ends when it only tells how it is used.
bool is_usage(const std::optional<ToolEnd>& end) {
  constexpr int kUsage = 129;
  return end && WIFEXITED(end->wait_status) && WEXITSTATUS(end->wait_status) == kUsage;
}

std::expected<std::vector<UniqueFd>, Failure> record_trial(const Trial& trial,
                                                           std::string_view event) {
  auto recording = PerfRecording::start({.perf = trial.perf,
                                         .event = std::string(event),
                                         .frequency_hz = kPerfTrialHz,
                                         .pids = {},
                                         .has_build_ids = false,
                                         .has_bpf_events = trial.has_bpf_events},
                                        trial.directory);
  if (!recording) {
    return std::unexpected(Failure{recording.error().what, false});
  }
  const auto patience_end = Clock::now() + kPatience;
  if (const auto sampling = recording->wait_until_sampling(patience_end); !sampling) {
    return std::unexpected(Failure{.text = sampling.error().what,
                                   .is_hang = sampling.error().code == Errc::system,
                                   .is_usage = is_usage(recording->poll_end())});
  }
  for (const auto end = Clock::now() + trial.busy; Clock::now() < end;) {
    recording->read();  // busy on purpose
  }
  const ToolEnd end = recording->stop(kPatience);
  if (end.is_killed) {
    return std::unexpected(Failure{"perf record does not end on SIGINT", true});
  }
  auto segments = recording->take_segments();
  if (segments.empty()) {
    return std::unexpected(Failure{
        fmt::format("perf record left no data and {}: {}", end.text(), recording->last_line()),
        false});
  }
  return segments;
}

// Libraries lie higher than any file is long.
bool has_addresses(const PerfSample& sample) {
  constexpr std::uint64_t kLongestFile = std::uint64_t{1} << 40;
  return std::ranges::any_of(sample.frames, [](const PerfFrame& frame) {
    return frame.object.starts_with('/') && frame.address >= kLongestFile;
  });
}

std::expected<PerfTrial, Failure> try_event(const Trial& how, std::string_view event) {
  auto segments = record_trial(how, event);
  if (!segments) {
    return std::unexpected(std::move(segments).error());
  }
  PerfTrial trial{.event = std::string(event),
                  .name = {},
                  .samples = 0,
                  .lost = 0,
                  .prints_offsets = true,
                  .has_bpf_events = how.has_bpf_events};
  auto script = PerfScript::start(
      how.perf, segments->front(),
      [&](const PerfSample& sample) {
        ++trial.samples;
        if (sample.pid == ::getpid() && has_addresses(sample)) {
          trial.prints_offsets = false;
        }
      },
      kPerfNice);
  if (!script) {
    return std::unexpected(Failure{script.error().what, false});
  }
  (void)(*script)->wait_until(Clock::now() + kPatience);
  const ToolEnd end = (*script)->finish();
  if (!end.is_ok()) {
    return std::unexpected(Failure{
        fmt::format("perf script {}: {}", end.text(), last_line_of((*script)->last_words())),
        end.is_killed});
  }
  trial.name = event_name((*script)->facts().event);
  trial.lost = (*script)->facts().lost_records;
  if (trial.samples == 0) {
    return std::unexpected(Failure{"no samples", false});
  }
  return trial;
}

}  // namespace

Result<PerfTrial> choose_perf_event(const std::string& perf, const std::string& directory,
                                    milliseconds busy) {
  std::string refusals;
  Trial how{.perf = perf, .directory = directory, .busy = busy};
  for (const std::string_view event : kCandidates) {
    auto trial = try_event(how, event);
    if (!trial && trial.error().is_usage && !std::exchange(how.has_bpf_events, true)) {
      trial = try_event(how, event);
    }
    if (trial) {
      return *std::move(trial);
    }
    refusals += fmt::format("{}{}: {}", refusals.empty() ? "" : "; ",
                            event.empty() ? "default event" : event, trial.error().text);
    if (trial.error().is_hang) {
      break;
    }
  }
  return fail(Errc::unsupported, fmt::format("{} cannot sample: {}", perf, refusals));
}

std::string event_name(std::string_view event) {
  const std::string_view name = event.substr(0, event.find(':'));
  return printable(name.empty() ? event : name);
}

}  // namespace waggle
