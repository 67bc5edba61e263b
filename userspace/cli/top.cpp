// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/top.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <future>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "base/file.h"
#include "base/log.h"
#include "userspace/cli/container_naming.h"
#include "userspace/cli/engine_start.h"
#include "userspace/cli/engine_watch.h"
#include "userspace/cli/exit_status.h"
#include "userspace/cli/record_engine.h"
#include "userspace/cli/record_selection.h"
#include "userspace/cli/stop_signals.h"
#include "userspace/cli/terminal.h"
#include "userspace/cli/top_keys.h"
#include "userspace/cli/top_options.h"
#include "userspace/cli/verbs.h"
#include "userspace/output/live_table.h"
#include "userspace/output/live_text.h"
#include "userspace/output/recording_facts.h"

namespace waggle {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr auto kHousekeeping = std::chrono::seconds(1);
constexpr milliseconds kNamesPoll(50);  // while a look waits for its names
constexpr std::size_t kMoments = 5;     // that a look is of
constexpr std::size_t kMaxUnnamed = 2;  // looks that wait for names; then the next takes longer
constexpr std::size_t kAround = 4;      // lines of a screen that are no rows

// One run of `waggle top`: a recording without end that is cut at each look.
class TopRun {
 public:
  explicit TopRun(const TopOptions& options)
      : options_(options), window_(kMoments), containers_(options.recording) {
    state_.view = options.view;
  }
  TopRun(const TopRun&) = delete;
  TopRun& operator=(const TopRun&) = delete;
  ~TopRun();

  Result<> run();

 private:
  // A session that has ended, but for its names.
  struct Unnamed {
    std::future<Result<EngineResult>> end;
    double seconds;
  };

  [[nodiscard]] bool has_screen() const { return Terminal::is_there() && !options_.is_plain; }
  Result<> prepare();
  Result<> start();
  void on_key();
  Result<> on_tick();
  Result<> look();
  Result<> take_named();
  Result<> show();
  void tell_problems();
  void keep(Result<> result);

  const TopOptions& options_;
  TopState state_;
  LiveWindow window_;
  std::deque<LiveMoment> held_;  // while it is paused
  std::size_t row_count_ = 0;    // of the last look
  std::optional<StopSignals> signals_;
  std::optional<Terminal> terminal_;  // none: plain lines
  std::optional<EventLoop> loop_;
  ContainerNaming containers_;
  std::deque<Unnamed> unnamed_;
  std::unique_ptr<RecordEngine> engine_;
  std::optional<EngineWatch> watch_;  // before the engine goes, its descriptors do
  UniqueFd look_timer_;
  UniqueFd end_timer_;
  Clock::time_point cut_;
  Clock::time_point next_housekeeping_;
  Result<> failure_;  // the first of a handler
};

TopRun::~TopRun() {
  watch_.reset();
  engine_.reset();  // what waits for names ends with it
}

Result<> TopRun::prepare() {
  const RecordOptions& recording = options_.recording;
  state_.shown.frequency_hz = TRY(allowed_frequency(recording));
  const SessionSettings settings{.pids = TRY(find_processes(recording.pids)),
                                 .selection = TRY(find_selection(recording)),
                                 .frequency_hz = state_.shown.frequency_hz};
  EngineSequence alone;
  ChosenEngine chosen =
      TRY(prepare_engine(recording, state_.shown.frequency_hz, EngineUse::looks, alone));
  if (!chosen.warning.empty()) {
    LOG_WARNING("{}", chosen.warning);
  }
  if (!chosen.says.empty() && !has_screen()) {
    LOG_INFO("{}", chosen.says);
  }
  engine_ = std::move(chosen.engine);
  return engine_->prepare_session(settings);
}

void TopRun::keep(Result<> result) {
  if (failure_) {
    failure_ = std::move(result);
  }
}

Result<> TopRun::start() {
  loop_ = TRY(EventLoop::open());
  TRY(loop_->add(signals_->fd(), [this] { state_.is_over |= signals_->read().has_value(); }));
  TRY(engine_->start());
  cut_ = Clock::now();
  next_housekeeping_ = cut_ + kHousekeeping;
  watch_.emplace(*loop_, [this] { keep(engine_->on_readable()); }, [this] { keep(on_tick()); });
  TRY(watch_->watch(*engine_));
  look_timer_ = TRY(open_timer(std::chrono::seconds(options_.delay_s)));
  TRY(loop_->add(look_timer_.get(), [this] {
    drain_timer(look_timer_.get());
    keep(look());
  }));
  if (options_.duration_s) {
    end_timer_ = TRY(open_timer(std::chrono::seconds(*options_.duration_s)));
    TRY(loop_->add(end_timer_.get(), [this] { state_.is_over = true; }));
  }
  if (has_screen()) {
    terminal_.emplace(TRY(Terminal::open()));
    set_log_level(LogLevel::error);  // the screen has a line for the rest
    TRY(loop_->add(terminal_->fd(), [this] { on_key(); }));
    return show();
  }
  return {};
}

void TopRun::on_key() {
  const Result<std::string> typed = terminal_->read();
  if (!typed) {
    return keep(std::unexpected(typed.error()));
  }
  const std::size_t rows = terminal_->size().rows;
  press_keys(*typed, row_count_, rows - std::min(rows, kAround), state_);
  if (!state_.shown.is_paused) {
    for (LiveMoment& moment : held_) {
      window_.add(std::move(moment));
    }
    held_.clear();
  }
  keep(show());
}

Result<> TopRun::on_tick() {
  TRY(engine_->tick());
  containers_.want(engine_->take_new_containers());
  if (Clock::now() >= next_housekeeping_) {
    next_housekeeping_ += kHousekeeping;
    if (const Result<> kept = engine_->housekeep(); !kept) {
      state_.shown.notice = kept.error().what;
    }
    tell_problems();
  }
  return {};
}

void TopRun::tell_problems() {
  std::vector<std::string> problems = engine_->take_problems();
  if (auto of_names = containers_.take_problem()) {
    problems.push_back(*std::move(of_names));
  }
  for (const std::string& problem : problems) {
    if (terminal_) {
      state_.shown.notice = problem;
    } else {
      LOG_WARNING("{}", problem);
    }
  }
}

Result<> TopRun::look() {
  if (unnamed_.size() < kMaxUnnamed) {
    SessionCut cut = TRY(engine_->cut(nullptr));
    const Clock::time_point now = Clock::now();
    const double seconds = std::chrono::duration<double>(now - std::exchange(cut_, now)).count();
    unnamed_.push_back(
        {.end = std::async(std::launch::async, std::move(cut.end)), .seconds = seconds});
    TRY(watch_->watch(*engine_));
  }
  return take_named();
}

Result<> TopRun::take_named() {
  bool is_new = false;
  while (!unnamed_.empty() &&
         unnamed_.front().end.wait_for(milliseconds(0)) == std::future_status::ready) {
    Unnamed named = std::move(unnamed_.front());
    unnamed_.pop_front();
    EngineResult result = TRY(named.end.get());
    LiveMoment moment{.profile = containers_.name(std::move(result.profile), milliseconds(0)),
                      .frequency = static_cast<double>(state_.shown.frequency_hz),
                      .seconds = named.seconds,
                      .samples = result.facts.samples,
                      .lost = total_lost(result.facts)};
    if (state_.shown.is_paused) {
      held_.push_back(std::move(moment));
      if (held_.size() > kMoments) {
        held_.pop_front();
      }
      continue;
    }
    window_.add(std::move(moment));
    is_new = true;
  }
  return is_new ? show() : Result<>();
}

Result<> TopRun::show() {
  const LiveTable table = window_.rank(state_.view);
  row_count_ = table.rows.size();
  state_.shown.time = std::chrono::system_clock::now();
  if (!terminal_) {
    return write_all(STDOUT_FILENO, render_plain(table, state_.view, state_.shown, options_.rows));
  }
  return terminal_->show(render_screen(table, state_.view, state_.shown, terminal_->size()));
}

Result<> TopRun::run() {
  signals_ = TRY(StopSignals::open());
  TRY(prepare());
  TRY(start());
  while (!state_.is_over) {
    TRY(loop_->run_once(unnamed_.empty() ? kHousekeeping : kNamesPoll));
    TRY(std::exchange(failure_, {}));
    TRY(take_named());
  }
  // The last look, where its time is over before its names are there.
  while (!terminal_ && !unnamed_.empty() && options_.duration_s) {
    unnamed_.front().end.wait();
    TRY(take_named());
  }
  return {};
}

Result<> show_selected(const RecordOptions& recording) {
  const Selection selection = TRY(find_selection(recording));
  return write_all(STDOUT_FILENO, TRY(list_selected(recording, selection)));
}

int report(const Error& error) {
  LOG_ERROR("top: {}", error.what);
  return error.code == Errc::permission || error.code == Errc::unsupported ? kExitPrivilege
                                                                           : kExitFailure;
}

}  // namespace

int top_main(std::span<const std::string> arguments) {
  const Result<ParsedArguments> parsed = parse_arguments(top_syntax(), arguments);
  if (!parsed) {
    return report_usage_error("top", parsed.error());
  }
  const Result<TopOptions> options = read_top_options(*parsed);
  if (!options) {
    return report_usage_error("top", options.error());
  }
  set_log_level(options->recording.is_quiet     ? LogLevel::error
                : options->recording.is_verbose ? LogLevel::debug
                                                : LogLevel::info);
  const Result<> done =
      options->recording.is_dry_run ? show_selected(options->recording) : TopRun(*options).run();
  return done ? kExitOk : report(done.error());
}

}  // namespace waggle
