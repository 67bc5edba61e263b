// SPDX-License-Identifier: Apache-2.0
#include "userspace/health/governor.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>
#include <utility>

namespace waggle {

namespace {

using std::chrono::nanoseconds;

constexpr double kNsPerPercent = 1e7;  // of a second
constexpr double kStep = 1.25;         // from one frequency to the next
// Of the budget.
constexpr double kAim = 0.9;         // what is given up is enough for that
constexpr double kBackground = 0.1;  // background work has so much at least, or nothing had a name
constexpr double kHearing = 0.3;
constexpr double kSamplingLeast = 0.45;  // sampling is not lowered below it for the cost of others
constexpr double kSeldomMost = 0.5;      // a feature that works now and then
constexpr double kRaiseTo = 0.8;         // what is taken back leaves so much

}  // namespace

Governor::Governor(Budget budget, std::size_t feature_count, int frequency_hz)
    : budget_(budget), asked_hz_(frequency_hz), features_(feature_count) {
  if (budget_.cpu_percent) {
    background_ = nanoseconds(std::llround(*budget_.cpu_percent * kAim * kNsPerPercent));
  }
}

int Governor::frequency_at(int steps) const {
  return steps == 0 ? asked_hz_ : std::max(1, static_cast<int>(asked_hz_ / std::pow(kStep, steps)));
}

int Governor::frequency_hz() const {
  return frequency_at(steps_);
}

void Governor::ask(int frequency_hz) {
  asked_hz_ = frequency_hz;
  while (steps_ > 0 && frequency_at(steps_ - 1) == 1) {
    --steps_;  // no step that changes nothing
  }
}

std::optional<nanoseconds> Governor::hearing_a_second() const {
  if (!budget_.cpu_percent) {
    return std::nullopt;
  }
  return nanoseconds(std::llround(*budget_.cpu_percent * kHearing * kNsPerPercent));
}

std::size_t Governor::off_count() const {
  return static_cast<std::size_t>(std::ranges::count(features_, true, &Feature::is_off));
}

void Governor::begin_window(Cost cost) {
  looks_.clear();
  looks_.push_back(std::move(cost));
}

bool Governor::is_whole_window(const Cost& cost) const {
  return !looks_.empty() && cost.time - looks_.front().time >= kWindow;
}

Governor::Shares Governor::shares_until(const Cost& cost) const {
  const Cost& begin = looks_.front();
  const std::chrono::duration<double> passed = cost.time - begin.time;
  const auto share = [&](nanoseconds now, nanoseconds then) {
    constexpr double kPercent = 100;
    const double used = std::chrono::duration<double>(now - then).count();
    return std::max(0.0, used) / passed.count() * kPercent;
  };
  Shares shares{.total = share(cost.total, begin.total),
                .sampling = share(cost.sampling, begin.sampling),
                .background = share(cost.background, begin.background),
                .hearing = share(cost.hearing, begin.hearing)};
  std::ranges::transform(cost.features, begin.features, std::back_inserter(shares.features), share);
  shares.all_features = std::accumulate(shares.features.begin(), shares.features.end(), 0.0);
  // What ends a session is told at its end, of more than the window.
  const double others = shares.background + shares.hearing + shares.all_features;
  shares.sampling = std::clamp(shares.total - others, 0.0, shares.sampling);
  return shares;
}

Governor::Decision Governor::judge(Cost cost) {
  now_ = cost.time;
  Decision decision;
  decision.step = judge_memory(cost);
  if (!budget_.cpu_percent || decision.step != Step::none || is_paused_for_memory_) {
    return decision;
  }
  if (is_paused_) {
    decision.step = judge_pause(cost);
    return decision;
  }
  if (!begun_) {
    begun_ = now_;
  }
  if (now_ - *begun_ <= kStart) {
    begin_window(std::move(cost));
    return decision;
  }
  while (looks_.size() > 1 && cost.time - looks_[1].time >= kWindow) {
    looks_.pop_front();
  }
  if (is_whole_window(cost)) {
    const Shares shares = shares_until(cost);
    percent_ = shares.total;
    pace(shares);
    decision.step = judge_cpu(shares, decision);
    decision.shares = shares;
  }
  if (decision.step == Step::none) {
    looks_.push_back(std::move(cost));
  } else {
    begin_window(std::move(cost));
  }
  return decision;
}

Governor::Decision Governor::judge_memory_alone(const Cost& cost) {
  now_ = cost.time;
  return {.step = judge_memory(cost)};
}

// What can be read again goes first; else there is less memory only once the session has ended.
Governor::Step Governor::judge_memory(const Cost& cost) {
  if (budget_.memory_bytes == 0) {
    return Step::none;
  }
  const bool is_above = cost.memory_bytes > budget_.memory_bytes;
  if (is_paused_for_memory_) {
    const auto aim = static_cast<double>(budget_.memory_bytes) * kAim;
    if (static_cast<double>(cost.memory_bytes) > aim || now_ < paused_until_) {
      return Step::none;
    }
    is_paused_ = is_paused_for_memory_ = false;
    begin_window(cost);
    return Step::go_on;
  }
  if (!is_above) {
    has_forgotten_ = false;
    return Step::none;
  }
  if (!std::exchange(has_forgotten_, true)) {
    return Step::forget;
  }
  if (is_paused_) {
    return Step::none;
  }
  is_paused_ = is_paused_for_memory_ = true;
  paused_until_ = now_ + kWindow;
  return Step::memory_pause;
}

Governor::Step Governor::judge_pause(const Cost& cost) {
  if (now_ < paused_until_) {
    return Step::none;
  }
  is_paused_ = false;
  calm_since_.reset();
  begin_window(cost);
  return Step::go_on;
}

// What is left of the budget, for what can wait.
void Governor::pace(const Shares& shares) {
  const double budget = *budget_.cpu_percent;
  const double left = kAim * budget - (shares.total - shares.background);
  background_ = nanoseconds(std::llround(std::max(left, kBackground * budget) * kNsPerPercent));
}

Governor::Step Governor::judge_cpu(const Shares& shares, Decision& decision) {
  const double budget = *budget_.cpu_percent;
  if (shares.total <= budget) {
    if (!calm_since_) {
      calm_since_ = now_;
    }
    return take_back(shares, decision);
  }
  calm_since_.reset();
  // Else background work waits, and that is enough.
  return shares.total - shares.background > budget ? give_up(shares, decision) : Step::none;
}

// How many steps bring what sampling costs down to that.
int Governor::steps_down(double sampling, double room) const {
  int steps = steps_;
  const double now = frequency_hz();
  while (frequency_at(steps) > 1 && sampling * frequency_at(steps) / now > room) {
    ++steps;
  }
  return steps;
}

// One that is off may still cost something, until its tools have ended.
std::optional<std::size_t> Governor::costliest_that_is_on(const Shares& shares) const {
  std::optional<std::size_t> costliest;
  double most = 0;
  for (std::size_t feature = 0; feature < shares.features.size(); ++feature) {
    if (is_on(feature) && shares.features[feature] > most) {
      costliest = feature;
      most = shares.features[feature];
    }
  }
  return costliest;
}

Governor::Step Governor::give_up(const Shares& shares, Decision& decision) {
  const double budget = *budget_.cpu_percent;
  const double others = shares.total - shares.background - shares.sampling;
  const double room = std::max((kAim - kBackground) * budget - others, kSamplingLeast * budget);
  if (const int steps = steps_down(shares.sampling, room); steps > steps_) {
    steps_ = steps;
    return Step::lower;
  }
  if (const auto feature = costliest_that_is_on(shares)) {
    return switch_off(*feature, decision);
  }
  is_paused_ = true;
  paused_until_ = now_ + pause_;
  pause_ = std::min(pause_ * 2, kMaxPause);
  return Step::pause;
}

Governor::Step Governor::switch_off(std::size_t number, Decision& decision) {
  Feature& feature = features_.at(number);
  feature.is_off = true;
  feature.off_until = now_ + feature.next_off;
  feature.next_off *= 2;
  decision.feature = number;
  return Step::switch_off;
}

Governor::Decision Governor::judge_seldom(std::size_t feature, double percent) {
  Decision decision{.step = Step::none, .shares = {.total = percent}, .feature = feature};
  if (budget_.cpu_percent && is_on(feature) && percent > kSeldomMost * *budget_.cpu_percent) {
    decision.step = switch_off(feature, decision);
  }
  return decision;
}

Governor::Step Governor::take_back(const Shares& shares, Decision& decision) {
  if (now_ - *calm_since_ < kCalm) {
    return Step::none;
  }
  pause_ = kPause;
  const double most = kRaiseTo * *budget_.cpu_percent;
  const auto off = std::ranges::find_if(features_, [&](const Feature& feature) {
    return feature.is_off && now_ >= feature.off_until;
  });
  if (off != features_.end() && shares.total <= most) {
    off->is_off = false;
    decision.feature = static_cast<std::size_t>(off - features_.begin());
    calm_since_.reset();
    return Step::switch_on;
  }
  if (steps_ == 0) {
    return Step::none;
  }
  const double factor = static_cast<double>(frequency_at(steps_ - 1)) / frequency_hz();
  if (shares.total + shares.sampling * (factor - 1) > most) {
    return Step::none;
  }
  --steps_;
  calm_since_.reset();
  return Step::raise;
}

}  // namespace waggle
