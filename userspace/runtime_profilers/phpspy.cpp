// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtime_profilers/phpspy.h"

#include <fmt/core.h>
#include <signal.h>
#include <sys/wait.h>

#include <utility>

#include "userspace/tools/phpspy/command.h"

namespace waggle {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr milliseconds kSlice(20);
constexpr std::size_t kMaxNameBytes = 64 << 20;
constexpr std::size_t kMaxMet = 65536;

// By our signal or by itself, and in order.
bool is_good(const ToolEnd& end, bool is_interrupted) {
  const bool is_by_our_signal =
      is_interrupted && WIFSIGNALED(end.wait_status) && WTERMSIG(end.wait_status) == SIGINT;
  return !end.is_killed && is_interrupted && (end.is_ok() || is_by_our_signal);
}

}  // namespace

Phpspy::Phpspy(PhpspyOptions options, NeededTool program, RuntimeHooks hooks, EventLoop loop)
    : options_(std::move(options)),
      hooks_(std::move(hooks)),
      loop_(std::move(loop)),
      processes_(options_.targets, [this](pid_t pid, const ProcStat&) { return look_at(pid); }),
      program_(std::move(program)),
      parser_([this](const PhpspyStack& stack) { take(stack); }) {}

Result<std::unique_ptr<Phpspy>> Phpspy::prepare(PhpspyOptions options, RuntimeHooks hooks) {
  EventLoop loop = TRY(EventLoop::open());
  NeededTool program = TRY(NeededTool::prepare("phpspy", options.path));
  return std::unique_ptr<Phpspy>(
      new Phpspy(std::move(options), std::move(program), std::move(hooks), std::move(loop)));
}

void Phpspy::start() {
  processes_.start();
  if (!program_.find("the functions of PHP", notes_)) {
    return;
  }
  if (const Result<> is_run = run(); !is_run) {
    notes_.add_problem(
        fmt::format("{}; continuing without the functions of PHP", is_run.error().what));
  }
}

Result<> Phpspy::run() {
  tool_ = TRY(
      SupervisedTool::start(phpspy_command(program_.path(), options_.filter, options_.frequency_hz),
                            {}, [this](std::string_view piece) { parser_.feed(piece); }));
  has_run_ = true;
  notes_.tell_rate(phpspy_rate(options_.frequency_hz), options_.frequency_hz);
  hooks_.add_own(tool_->pid());
  return outputs_.add(loop_, *tool_, [this] {
    tool_->read();
    outputs_.remove_ended(loop_, *tool_);
  });
}

Phpspy::Verdict Phpspy::look_at(pid_t pid) {
  if (!files_.has(pid, Runtime::php)) {
    return Verdict::not_yet;
  }
  stacks_.emplace(pid, hooks_.tell_apart(pid));
  return Verdict::decided;
}

void Phpspy::take(const PhpspyStack& stack) {
  const auto found = stacks_.find(stack.pid);
  if (found == stacks_.end()) {
    // Not of the recording, or begun since: it is looked at soon.
    const bool may_be_new = !options_.targets.is_pid_filtered && met_.size() < kMaxMet;
    if (may_be_new && met_.insert(stack.pid).second) {
      processes_.add(stack.pid);
    }
    return;
  }
  if (name_bytes_ > kMaxNameBytes) {
    return;
  }
  Profile& profile = found->second.stacks;
  Profile::Stack added{.container = profile.intern(""), .comm = profile.intern(""), .frames = {}};
  for (const std::string_view frame : stack.frames) {
    const std::size_t names = profile.name_count();
    added.frames.push_back(profile.intern(phpspy_frame_text(frame)));
    name_bytes_ += profile.name_count() == names ? 0 : frame.size();
  }
  profile.add(added, 1);
  if (name_bytes_ > kMaxNameBytes) {
    notes_.add_problem("phpspy told more names than are kept, continuing without the rest");
  }
}

// Ends it if it has not.  What it has told of is kept: whole blocks of stacks.
void Phpspy::end() {
  outputs_.remove_all(loop_);
  const ToolEnd end = tool_->kill();
  cpu_time_ += end.cpu_time;
  parser_.finish();
  const auto& counters = parser_.counters();
  std::string problem;
  if (!is_good(end, is_interrupted_)) {
    const std::string last_line = last_line_of(tool_->last_words());
    problem = fmt::format("phpspy {}{}{}", end.text(), last_line.empty() ? "" : ": ", last_line);
  } else if (counters.bad_blocks > counters.stacks) {
    problem = "phpspy printed something else than stacks";
  } else if (counters.bad_blocks != 0) {
    notes_.tell(fmt::format("phpspy printed {} stacks that cannot be read", counters.bad_blocks));
  }
  tool_.reset();
  if (problem.empty()) {
    return;
  }
  notes_.add_problem(problem + ", continuing with native frames where it told none");
  const bool is_corrupt = counters.bad_blocks > counters.stacks;
  for (auto& [pid, stacks] : stacks_) {
    if (is_corrupt) {
      stacks.stacks = Profile();
    }
    if (stacks.stacks.total() == 0) {
      stacks.error = fmt::format("[Profiling error: {}]", problem);
    }
  }
}

void Phpspy::tick() {
  processes_.tick();
  if (tool_ && tool_->poll_end()) {
    end();
  }
}

void Phpspy::interrupt() {
  deadline_ = Clock::now() + kRuntimeStopTime;
  if (tool_) {
    is_interrupted_ = true;
    (void)tool_->send_signal(SIGINT);  // it may have ended
  }
}

Result<RuntimeReport> Phpspy::finish(const std::stop_token& hurry) {
  while (tool_ && !tool_->poll_end() && !hurry.stop_requested() && Clock::now() < deadline_) {
    TRY(loop_.run_once(kSlice));
  }
  if (tool_) {
    end();
  }
  RuntimeReport report{.stacks = {},
                       .tool = "phpspy",
                       .state = {},
                       .excluded = notes_.excluded(),
                       .cpu_time = cpu_time_,
                       .frequency_hz = phpspy_rate(options_.frequency_hz)};
  for (auto& [pid, stacks] : stacks_) {
    report.stacks.push_back(std::move(stacks));
  }
  report.state = notes_.state(has_run_ || !stacks_.empty());
  return report;
}

}  // namespace waggle
