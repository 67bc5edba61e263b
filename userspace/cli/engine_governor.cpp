// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/engine_governor.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/log.h"
#include "userspace/health/own_cost.h"

namespace waggle {

namespace {

using std::chrono::nanoseconds;

// Of CPU time, once: what the host runs has its tables and names sooner.
constexpr std::chrono::milliseconds kCredit(500);

constexpr std::array<std::string_view, 3> kFeatureNames = {
    "profilers of runtimes", "the flame graph page", "metadata of applications"};

std::string why(const Governor::Decision& decision, const Budget& budget) {
  const Governor::Shares& shares = decision.shares;
  return fmt::format(
      "waggle costs {:.2f} % of a core (samples {:.2f}, processes {:.2f}, files {:.2f}, tools and "
      "metadata {:.2f}, the rest {:.2f}), --cpu-budget allows {:g}",
      shares.total, shares.sampling, shares.hearing, shares.background, shares.all_features,
      shares.rest(), budget.cpu_percent.value_or(0));
}

}  // namespace

EngineGovernor::EngineGovernor(const Budget& budget, int frequency_hz, bool has_sessions,
                               ApplicationTelling& applications)
    : governor_(budget, kFeatureCount, frequency_hz),
      has_sessions_(has_sessions),
      applications_(applications) {}

void EngineGovernor::pace(RecordEngine& engine, nanoseconds credit) {
  if (governor_.budget().cpu_percent) {
    engine.pace({.background = governor_.background_a_second(),
                 .credit = credit,
                 .hearing = governor_.hearing_a_second()});
  }
}

void EngineGovernor::begin(RecordEngine& engine) {
  waits_for_next_ = false;
  if (!engine.figures().has_sampling_children) {
    governor_.forget_window();  // its threads' time begins anew
  }
  applied_hz_ = frequency_hz();
  effective_.begin(applied_hz_, engine.sample_count());
  pace(engine, std::exchange(has_credit_, false) ? kCredit : nanoseconds());
  engine.let_runtimes(governor_.is_on(kRuntimes));
  if (paused_since_ && !engine.pause()) {
    paused_since_.reset();  // it samples: the governor hears what that costs
  }
}

void EngineGovernor::ask(int frequency_hz, RecordEngine& engine) {
  governor_.ask(frequency_hz);
  applied_hz_ = frequency_hz;
  effective_.begin(applied_hz_, engine.sample_count());
  if (governor_.frequency_hz() != frequency_hz) {
    (void)set_frequency(fmt::format("--cpu-budget {:g}", *governor_.budget().cpu_percent), engine);
  }
}

void EngineGovernor::add_page_time(nanoseconds page, nanoseconds session) {
  page_time_ = page_time_.load() + page;
  if (session.count() > 0) {
    constexpr double kPercent = 100;
    page_share_ =
        static_cast<double>(page.count()) / static_cast<double>(session.count()) * kPercent;
  }
}

void EngineGovernor::add_writing_time(nanoseconds writing) {
  writing_time_ = writing_time_.load() + writing;
}

Cost EngineGovernor::measure(RecordEngine& engine, std::optional<pid_t> command) const {
  const EngineFigures figures = engine.figures();
  const nanoseconds children = children_cpu_time(command);
  const nanoseconds kernel(figures.stats.run_ns);
  const nanoseconds following(figures.stats.follow_ns);
  const nanoseconds writing = writing_time_.load();
  const nanoseconds page = page_time_.load();  // is added first, and they are read this way round
  Cost cost{.time = Clock::now(),
            .total = own_cpu_time() + children + kernel + following,
            .sampling = figures.stacks_time + kernel + std::max(writing - page, nanoseconds(0)),
            .background = figures.background_time + page,
            .hearing = figures.hearing_time + following,
            .features = std::vector<nanoseconds>(kFeatureCount),
            .memory_bytes = own_memory().anonymous_bytes + figures.bpf_map_bytes};
  if (figures.has_sampling_children) {
    cost.sampling += children;
    cost.features[kRuntimes] = figures.runtimes_time;
  } else {
    cost.features[kRuntimes] = figures.runtimes_time + children;
  }
  cost.features[kApplications] = applications_.cpu_time();
  return cost;
}

void EngineGovernor::housekeep(RecordEngine& engine, std::optional<pid_t> command) {
  if (!governor_.budget().is_limited()) {
    return;
  }
  if (waits_for_next_) {
    take_step(governor_.judge_memory_alone(measure(engine, command)), engine);
    return;
  }
  take_step(governor_.judge(measure(engine, command)), engine);
  if (const double page = page_share_.exchange(0); page > 0) {
    take_step(governor_.judge_seldom(kPage, page), engine);
  }
  pace(engine);
}

void EngineGovernor::take_step(const Governor::Decision& decision, RecordEngine& engine) {
  using Step = Governor::Step;
  switch (decision.step) {
    case Step::none:
      break;
    case Step::lower:
    case Step::raise:
      change_frequency(decision, engine);
      break;
    case Step::switch_off:
    case Step::switch_on:
      switch_feature(decision, engine);
      break;
    case Step::forget:
      ++counters_.forgotten;
      LOG_INFO("waggle has more memory than --memory-budget allows, forgetting the names of files");
      engine.forget_names();
      break;
    case Step::pause:
    case Step::memory_pause:
    case Step::go_on:
      pause(decision, engine);
      break;
  }
}

void EngineGovernor::change_frequency(const Governor::Decision& decision, RecordEngine& engine) {
  const bool is_lower = decision.step == Governor::Step::lower;
  if (set_frequency(why(decision, governor_.budget()), engine)) {
    ++(is_lower ? counters_.lowered : counters_.raised);
  }
}

// Whether it is another now, or from the next session on.
bool EngineGovernor::set_frequency(const std::string& reason, RecordEngine& engine) {
  const int hz = governor_.frequency_hz();
  const std::uint64_t samples = engine.sample_count();
  const Result<> set = engine.set_frequency(hz);
  if (!set && set.error().code == Errc::unsupported) {
    waits_for_next_ = true;
    LOG_INFO("{}: {}", reason,
             has_sessions_ ? fmt::format("sampling at {} Hz from the next session on", hz)
                           : "going on, since " + set.error().what);
    return has_sessions_;
  }
  if (!set) {
    LOG_WARNING("{}, trying again", set.error().what);  // one CPU; housekeep() of the engine does
  }
  effective_.change(hz, samples);
  LOG_INFO("{}: sampling at {} Hz in place of {}", reason, hz, std::exchange(applied_hz_, hz));
  return true;
}

void EngineGovernor::switch_feature(const Governor::Decision& decision, RecordEngine& engine) {
  const bool is_on = governor_.is_on(decision.feature);
  ++(is_on ? counters_.switched_on : counters_.switched_off);
  const std::string reason =
      decision.feature == kPage && !is_on
          ? fmt::format("it takes {:.2f} % of a core, --cpu-budget allows {:g}",
                        decision.shares.total, governor_.budget().cpu_percent.value_or(0))
          : why(decision, governor_.budget());
  LOG_INFO("{}: going on {} {}", reason, is_on ? "with" : "without",
           kFeatureNames.at(decision.feature));
  if (decision.feature == kRuntimes) {
    engine.let_runtimes(is_on);
  } else if (decision.feature == kApplications) {
    applications_.let(is_on);
  }
}

void EngineGovernor::pause(const Governor::Decision& decision, RecordEngine& engine) {
  if (decision.step == Governor::Step::go_on) {
    if (paused_since_) {
      paused_ += Clock::now() - *std::exchange(paused_since_, std::nullopt);
      engine.go_on();
      LOG_INFO("sampling again, at {} Hz", applied_hz_);
    }
    return;
  }
  const std::string reason =
      decision.step == Governor::Step::pause
          ? why(decision, governor_.budget()) + " and nothing is left to be given up"
          : fmt::format("waggle has more memory than --memory-budget {} allows",
                        governor_.budget().memory_bytes >> 20);
  if (const Result<> paused = engine.pause(); !paused) {
    LOG_WARNING("{}: going on, since {}", reason, paused.error().what);
    return;
  }
  ++counters_.pauses;
  paused_since_ = Clock::now();
  LOG_WARNING("{}: sampling pauses", reason);
}

EngineGovernor::Rate EngineGovernor::take_rate(const RecordEngine& engine) {
  const Clock::time_point now = Clock::now();
  if (paused_since_) {
    paused_ += now - *std::exchange(paused_since_, now);
  }
  return {.frequency = effective_.take(engine.sample_count()),
          .paused_s = std::chrono::duration<double>(std::exchange(paused_, {})).count()};
}

std::vector<std::string> EngineGovernor::left_out() const {
  std::vector<std::string> left_out;
  for (const Feature feature : {kRuntimes, kPage, kApplications}) {
    if (!governor_.is_on(feature)) {
      left_out.push_back(fmt::format("{}: --cpu-budget {:g}", kFeatureNames.at(feature),
                                     governor_.budget().cpu_percent.value_or(0)));
    }
  }
  return left_out;
}

}  // namespace waggle
