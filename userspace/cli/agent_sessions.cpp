// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/agent_sessions.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "base/log.h"

namespace waggle {

namespace {

using std::chrono::milliseconds;

constexpr auto kHousekeeping = std::chrono::seconds(1);

// Whatever their order.
bool is_same(const std::vector<Cgroup>& a, const std::vector<Cgroup>& b) {
  return std::ranges::is_permutation(a, b);
}

}  // namespace

AgentSessions::AgentSessions(const AgentOptions& options, EventLoop& loop,
                             SessionCounters& counters, std::function<bool()> is_ending)
    : options_(options),
      counters_(counters),
      is_ending_(std::move(is_ending)),
      applications_(options.recording),
      governor_(options.recording.budget, options.recording.frequency_hz, true, applications_),
      watch_(
          loop, [this] { on_readable(); }, [this] { on_tick(); }),
      selection_(options.recording, told_),
      metadata_(options.recording),
      containers_(options.recording) {}

// An engine, selected and running.
Result<> AgentSessions::begin_recording() {
  RecordOptions recording = options_.recording;
  recording.duration_s = options_.duration_s;
  settings_.frequency_hz = TRY(allowed_frequency(recording));
  settings_.pids = TRY(find_processes(recording.pids));
  governor_.ask(settings_.frequency_hz);
  ChosenEngine chosen =
      TRY(prepare_engine(recording, governor_.frequency_hz(), EngineUse::sessions, sequence_));
  if (!chosen.warning.empty()) {
    told_.warn(chosen.warning);
  }
  if (!chosen.says.empty()) {
    told_.inform(chosen.says);
  }
  left_out_ = std::move(chosen.left_out);
  engine_reason_ = std::move(chosen.choice.reason);
  TRY(chosen.engine->prepare_session(settings_));
  chosen.engine->tell_applications(applications_.sink());
  TRY(chosen.engine->start());
  governor_.begin(*chosen.engine);
  engine_ = std::move(chosen.engine);
  return {};
}

void AgentSessions::note_begin(const Moment& now) {
  begin_ = now;
  metrics_.begin();
  ++counters_.begun;
  ++counters_.unended;
}

Result<> AgentSessions::begin_session() {
  TRY(begin_recording());
  if (is_ending_()) {
    engine_ = nullptr;  // it has nothing yet
    return {};
  }
  note_begin({});
  next_housekeeping_ = Clock::now() + kHousekeeping;
  watch();
  return {};
}

std::string AgentSessions::state_text() const {
  if (engine_ == nullptr) {
    return "no session is on, trying again when the next should begin";
  }
  return governor_.is_paused() ? "sampling is paused to stay within the budget"
                               : fmt::format("sampling at {} Hz", frequency_hz());
}

Result<> AgentSessions::start() {
  TRY(metadata_.prepare());
  applications_.take_told(metadata_.take_told());
  auto selection = TRY(selection_.find_first(is_ending_));
  if (!selection) {
    return {};  // it has nothing yet
  }
  settings_.selection = *std::move(selection);
  TRY(begin_session());
  next_cut_ = Clock::now();
  look_for_next();
  return {};
}

// While this session is on.
void AgentSessions::look_for_next() {
  const std::chrono::seconds session(options_.duration_s);
  while (next_cut_ <= Clock::now()) {
    next_cut_ += session;
  }
  selection_.look_for(next_cut_, session);
}

// In a handler of the loop: the engine is still in use there.
void AgentSessions::fail_session(const Error& error) {
  if (!std::exchange(is_failing_, true)) {
    LOG_ERROR("{}: this session may be lost, trying again with the next", error.what);
  }
}

// Fails without memory alone; ticks read them too.
void AgentSessions::watch() {
  if (const Result<> watched = watch_.watch(*engine_); !watched) {
    fail_session(watched.error());
  }
}

void AgentSessions::on_readable() {
  if (const Result<> read = engine_->on_readable(); !read) {
    fail_session(read.error());
  }
}

void AgentSessions::on_tick() {
  if (const Result<> ticked = engine_->tick(); !ticked) {
    fail_session(ticked.error());
  }
  containers_.want(engine_->take_new_containers());
  if (Clock::now() >= next_housekeeping_) {
    next_housekeeping_ = Clock::now() + kHousekeeping;
    housekeep();
  }
}

void AgentSessions::housekeep() {
  if (const Result<> kept = engine_->housekeep(); !kept && kept.error().what != last_problem_) {
    last_problem_ = kept.error().what;
    LOG_WARNING("{}, continuing without it", last_problem_);
  }
  metrics_.poll();
  governor_.housekeep(*engine_);
  tell_problems();
}

void AgentSessions::tell_problems() {
  for (const std::string& problem : engine_->take_problems()) {
    told_.warn(problem);
  }
}

// By the selection, by limits and by the budget.
std::vector<std::string> AgentSessions::excluded() const {
  std::vector<std::string> excluded = settings_.selection.left_out;
  std::ranges::copy(left_out_, std::back_inserter(excluded));
  std::ranges::move(governor_.left_out(), std::back_inserter(excluded));
  return excluded;
}

void AgentSessions::write(SessionEnd end, const EngineGovernor::Rate& rate, const Moment& now) {
  const auto duration =
      std::chrono::duration_cast<std::chrono::system_clock::duration>(now.steady - begin_.steady);
  SessionOrder order{
      .files = {.directory = options_.output_dir, .is_rotating = options_.is_output_rotating},
      .has_flame_graph = options_.has_flame_graph && governor_.has_pages(),
      .facts = {.engine_reason = engine_reason_,
                .times = {.start = begin_.wall, .end = begin_.wall + duration},
                .frequency_hz = rate.frequency,
                .paused_s = rate.paused_s,
                .command_status = std::nullopt,
                .cpu_s = now.cpu_s - begin_.cpu_s},
      .run_arguments = run_arguments_of(options_.recording, options_.duration_s),
      .mode = options_.recording.mode,
      .excluded = excluded(),
      .cpu_avg = options_.recording.has_metrics ? metrics_.cpu_average() : std::nullopt,
      .mem_avg = options_.recording.has_metrics ? metrics_.memory_average() : std::nullopt};
  const bool has_room =
      writer_.push([this, order = std::move(order), end = std::move(end)]() mutable {
        end_session(order, end, counters_,
                    {.metadata = metadata_,
                     .containers = containers_,
                     .applications = applications_,
                     .governor = governor_,
                     .told = told_,
                     .hurry = hurry_.get_token()});
      });
  if (!has_room) {
    ++counters_.dropped;
    --counters_.unended;
    LOG_ERROR("{} sessions wait to be written, the oldest of them is lost",
              SessionWriter::kMaxWaiting);
  }
}

void AgentSessions::change(const AgentOptions& options) {
  next_options_ = options;
  selection_.change(options.recording);
}

// What the next session is to have other than this one, if anything.
AgentSessions::Change AgentSessions::find_change() {
  auto found = TRY(selection_.take());
  if (!found) {
    return std::nullopt;
  }
  const Selection& now = settings_.selection;
  SessionSettings change = settings_;
  if (next_options_) {
    change.frequency_hz = TRY(allowed_frequency(next_options_->recording));
    change.pids = TRY(find_processes(next_options_->recording.pids));
  } else if (is_same(found->included, now.included) && is_same(found->excluded, now.excluded)) {
    return std::nullopt;
  }
  change.selection = *std::move(found);
  return change;
}

// For the session that begins.
void AgentSessions::adopt(Change change) {
  if (!change) {
    const std::string problem = change.error().what + ": continuing with the selection as it was";
    if (std::exchange(next_options_, std::nullopt)) {
      selection_.forget_change();
      LOG_ERROR("{}", problem);  // each time that somebody asks
    } else {
      told_.warn(problem);
    }
  } else if (*change) {
    settings_ = **std::move(change);
    if (next_options_) {
      options_ = *std::exchange(next_options_, std::nullopt);
      selection_.settle();
      LOG_INFO("{} at {} Hz, with the selection that was read again",
               governor_.is_paused() ? "once the budget lets it, sampling" : "sampling",
               settings_.frequency_hz);
    }
  }
}

Result<> AgentSessions::cut(Change& change) {
  const bool is_changed = change && *change;
  const Moment now;
  auto cut = TRY(engine_->cut(is_changed ? &**change : nullptr));
  write(std::move(cut.end), governor_.take_rate(*engine_), now);
  if (is_changed && !cut.changed) {
    change = std::unexpected(std::move(cut.changed).error());
  }
  const int frequency_hz = settings_.frequency_hz;
  adopt(std::move(change));
  if (settings_.frequency_hz != frequency_hz) {
    governor_.ask(settings_.frequency_hz, *engine_);
  }
  note_begin(now);
  watch();
  return {};
}

// shared_ptr: its end is the one owner, finish_files() the other, for a moment.
SessionEnd AgentSessions::end_of_engine() {
  std::shared_ptr<RecordEngine> engine = std::move(engine_);
  ending_ = engine;
  return [engine = std::move(engine)] { return engine->finish(); };
}

void AgentSessions::finish_files(milliseconds patience) {
  if (writer_.finish(patience)) {
    return;
  }
  LOG_WARNING("{} sessions wait for names or tools, ending them with what there is",
              writer_.waiting());
  hurry_.request_stop();
  sequence_.turns->hurry();
  if (const std::shared_ptr<RecordEngine> engine = ending_.lock()) {
    engine->hurry();
  }
  writer_.finish();
}

// One that is in the way of the next session, or that has failed, is followed by another.
void AgentSessions::restart(Change change) {
  watch_.unwatch();
  if (engine_ != nullptr) {
    if (const Result<> stopped = engine_->stop(); stopped) {
      tell_problems();
      const EngineGovernor::Rate rate = governor_.take_rate(*engine_);
      write(end_of_engine(), rate, {});
    } else {
      ++counters_.failed;
      --counters_.unended;
      LOG_ERROR("{}: the session is lost, continuing with the next", stopped.error().what);
    }
  }
  engine_ = nullptr;
  adopt(std::move(change));
  if (const Result<> begun = begin_session(); !begun) {
    ++counters_.failed;
    if (!std::exchange(is_failing_, true)) {
      LOG_ERROR("{}: no session is on, trying again each time one should begin",
                begun.error().what);
    }
    return;
  }
  is_failing_ = false;
}

// To sample on: as it is, or as the next session is to be.
bool AgentSessions::needs_another_engine(const Change& change) const {
  if (engine_ == nullptr || is_failing_ || !engine_->can_cut()) {
    return true;
  }
  const bool is_changed = change && *change;
  return governor_.waits_for_next() || (is_changed && !engine_->can_change());
}

void AgentSessions::turn() {
  Change change = find_change();
  if (needs_another_engine(change)) {
    restart(std::move(change));
  } else if (const Result<> done = cut(change); !done) {
    fail_session(done.error());
    restart(std::move(change));
  }
  look_for_next();
}

Result<> AgentSessions::stop(milliseconds tool_time) {
  selection_.stop();
  if (engine_ == nullptr) {
    return {};
  }
  watch_.unwatch();
  EngineGovernor::hurry(*engine_);
  engine_->limit_stop(tool_time);
  if (const Result<> stopped = engine_->stop(); !stopped) {
    ++counters_.failed;
    --counters_.unended;
    engine_ = nullptr;
    return fail(stopped.error().code, stopped.error().what + ": the last session is lost");
  }
  tell_problems();
  const EngineGovernor::Rate rate = governor_.take_rate(*engine_);
  write(end_of_engine(), rate, {});
  return {};
}

}  // namespace waggle
