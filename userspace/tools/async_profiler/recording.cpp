// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/async_profiler/recording.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/supervised_tool.h"
#include "base/text.h"
#include "base/unique_fd.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxLogBytes = 65536;
constexpr auto kGone = "process went down during profiling";

// Before its timeout, so that there is no gap but the JVM's answer.
constexpr std::chrono::seconds kMargin(20);

// Of our own descriptor: whatever the name leads to by now.
std::string read_from_start(int fd, std::size_t limit) {
  std::string text(limit, '\0');
  const auto size = read_at(fd, 0, std::as_writable_bytes(std::span(text)));
  text.resize(size.value_or(0));
  return text;
}

Result<> feed_file(int fd, AsyncProfilerOutputParser& parser) {
  std::array<std::byte, 65536> buffer;
  for (std::uint64_t at = 0; at < kMaxAsyncProfilerOutputBytes;) {
    const std::size_t size = TRY(read_at(fd, at, buffer));
    if (size == 0) {
      return {};
    }
    parser.feed({reinterpret_cast<const char*>(buffer.data()), size});
    at += size;
  }
  return fail(Errc::exhausted, "async-profiler wrote more than we take");
}

// "mem_classmap_kb 4"
std::string memory_of(std::string_view metrics) {
  std::uint64_t total_kib = 0;
  for (const std::string_view line : split(metrics, '\n')) {
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos || !line.starts_with("mem_") ||
        !line.substr(0, space).ends_with("_kb")) {
      continue;
    }
    constexpr std::uint64_t kMaxKib = std::uint64_t{1} << 40;
    const auto kib = parse_number<std::uint64_t>(line.substr(space + 1));
    total_kib += kib && *kib < kMaxKib ? *kib : 0;
  }
  constexpr double kKibPerMib = 1024;
  return total_kib == 0 ? ""
                        : fmt::format("{:.1f} MiB", static_cast<double>(total_kib) / kKibPerMib);
}

// "[WARN] Unknown argument: safemode"
std::string unknown_option_of(std::string_view log) {
  constexpr std::string_view kUnknown = "Unknown argument: ";
  constexpr std::size_t kMaxName = 60;
  const std::size_t at = log.find(kUnknown);
  const std::string_view rest = at == log.npos ? "" : log.substr(at + kUnknown.size());
  return printable(rest.substr(0, std::min(rest.find('\n'), kMaxName)));
}

// async-profiler has an event of the kernel's for each thread, unless they are refused.
bool has_perf_events(const Jvm& jvm) {
  const UniqueFd fds(::openat(jvm.directory.get(), "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::error_code none;
  const std::string path = fmt::format("/proc/self/fd/{}", fds.get());
  for (const auto& entry : std::filesystem::directory_iterator(path, none)) {
    if (std::filesystem::read_symlink(entry.path(), none) == "anon_inode:[perf_event]") {
      return true;
    }
  }
  return false;
}

}  // namespace

AsyncProfilerRecording::AsyncProfilerRecording(Jvm jvm, const AsyncProfilerOptions& options,
                                               const AttachOptions& attach, LibraryPlace place,
                                               AsyncProfilerOutputParser::OnStack on_stack)
    : jvm_(std::move(jvm)),
      options_(options),
      attach_(attach),
      place_(std::move(place)),
      on_stack_(std::move(on_stack)) {}

AsyncProfilerRecording::~AsyncProfilerRecording() {
  if (may_be_running_) {
    // By ourselves, for that needs no waiting; what cannot be told ends by its timeout.
    end_load();
    JvmLoad::tell(jvm_, place_.library(), async_profiler_drop(log_.path));
  }
}

Result<std::unique_ptr<AsyncProfilerRecording>> AsyncProfilerRecording::start(
    Jvm jvm, const std::string& library, const AsyncProfilerOptions& options,
    const AttachOptions& attach, AsyncProfilerOutputParser::OnStack on_stack) {
  LibraryPlace place = TRY(LibraryPlace::make(jvm, library, kAsyncProfilerLibrary, jvm.profiler));
  std::unique_ptr<AsyncProfilerRecording> recording(new AsyncProfilerRecording(
      std::move(jvm), options, attach, std::move(place), std::move(on_stack)));
  recording->output_ = TRY(recording->place_.make_file("stacks"));
  recording->log_ = TRY(recording->place_.make_file("log"));
  recording->metrics_ = TRY(recording->place_.make_file("metrics"));
  recording->load_.emplace(TRY(recording->begin_load(
      async_profiler_start(options, recording->output_.path, recording->log_.path))));
  recording->may_be_running_ = true;
  return recording;
}

Result<AsyncProfilerRecording::Load> AsyncProfilerRecording::begin_load(
    const std::string& options) {
  const auto deadline = Clock::now() + attach_.patience;
  if (attach_.jattach.empty()) {
    return TRY(JvmLoad::start(jvm_, place_.library(), options, deadline));
  }
  return TRY(JattachLoad::start(jvm_, attach_.jattach, place_.library(), options, deadline,
                                attach_.add_own));
}

void AsyncProfilerRecording::end_load() {
  if (load_) {
    cpu_time_ += std::visit([](const auto& load) { return load.cpu_time(); }, *load_);
    load_.reset();
  }
}

void AsyncProfilerRecording::ask(State state, const std::string& options) {
  end_load();
  auto load = begin_load(options);
  if (!load) {
    end_for(load.error());
    return;
  }
  state_ = state;
  load_.emplace(*std::move(load));
  may_be_running_ |= state == State::starting;
}

void AsyncProfilerRecording::advance() {
  if (load_) {
    const auto code = std::visit([](auto& load) { return load.poll(); }, *load_);
    if (code) {
      end_load();
      take_answer(*code);
    }
    return;
  }
  if (state_ != State::running) {
    return;
  }
  if (!jvm_.is_alive()) {
    end_with_target();
  } else if (Clock::now() - started_ > options_.timeout - kMargin) {
    begin_stop();
  }
}

void AsyncProfilerRecording::take_answer(const Result<int>& code) {
  if (!code && (state_ == State::starting || !jvm_.is_alive())) {
    end_for(code.error());
    return;
  }
  switch (state_) {
    case State::starting:
      take_start(*code);
      return;
    case State::dropping:
      ask(State::starting, async_profiler_start(options_, output_.path, log_.path));
      return;
    case State::measuring:  // without it too
      ask(State::stopping, async_profiler_stop(options_, output_.path, log_.path));
      return;
    case State::stopping:
      break;
    case State::running:
    case State::over:
      return;
  }
  take_output();  // also of one that its timeout has stopped
  if (!code || *code != 0) {
    end(code ? read_log() : code.error().what);
    return;
  }
  may_be_running_ = false;
  memory_ = memory_of(read_from_start(metrics_.fd.get(), kMaxLogBytes));
  if (is_interrupted_ || state_ == State::over) {
    end("");
  } else {
    ask(State::starting, async_profiler_start(options_, output_.path, log_.path));
  }
}

void AsyncProfilerRecording::take_start(int code) {
  if (code != 0) {
    take_failed_start();
    return;
  }
  state_ = State::running;
  started_ = Clock::now();
  note_start();
  if (is_interrupted_) {
    begin_stop();
  }
}

void AsyncProfilerRecording::note_start() {
  unknown_option_ = unknown_option_of(read_from_start(log_.fd.get(), kMaxLogBytes));
  // Newer ones take timers by themselves.
  has_timers_for_events_ |= options_.event == JavaEvent::cpu && !has_perf_events(jvm_);
}

void AsyncProfilerRecording::take_failed_start() {
  const std::string log = read_log();
  // The place is ours alone: whoever started it is gone.
  const bool is_left_running = log.find("already started") != std::string::npos;
  if (is_left_running && !std::exchange(was_running_, true)) {
    ask(State::dropping, async_profiler_drop(log_.path));
    return;
  }
  may_be_running_ = false;
  const bool is_refused = log.find("erf events") != std::string::npos;
  if (is_refused && options_.may_use_timer && options_.event == JavaEvent::cpu) {
    options_.event = JavaEvent::itimer;
    has_timers_for_events_ = true;
    ask(State::starting, async_profiler_start(options_, output_.path, log_.path));
    return;
  }
  end(log);
}

// Memory first: what is stopped has given it back.
void AsyncProfilerRecording::begin_stop() {
  if (options_.reports_memory) {
    ask(State::measuring, async_profiler_metrics(metrics_.path));
  } else {
    ask(State::stopping, async_profiler_stop(options_, output_.path, log_.path));
  }
}

void AsyncProfilerRecording::interrupt() {
  is_interrupted_ = true;
  if (state_ == State::running) {
    begin_stop();
  }
}

void AsyncProfilerRecording::give_up() {
  if (state_ == State::over) {
    return;
  }
  std::string reason = "the JVM does not answer";
  if (load_) {
    reason = std::visit([](auto& load) { return load.give_up(); }, *load_);
  }
  end_load();
  end(std::move(reason));
}

void AsyncProfilerRecording::end_for(const Error& error) {
  if (jvm_.is_alive()) {
    end(error.what);
  } else {
    end_with_target();
  }
}

// What it has seen is written by the JVM at its end, unless that was sudden.
void AsyncProfilerRecording::end_with_target() {
  take_output();
  end(stack_count_ != 0 ? "" : kGone);
}

void AsyncProfilerRecording::take_output() {
  AsyncProfilerOutputParser parser(options_.tells_threads, on_stack_);
  const Result<> is_read = feed_file(output_.fd.get(), parser);
  parser.finish();
  stack_count_ += parser.counters().stacks;
  if (!is_read) {
    end(is_read.error().what);
  } else if (parser.counters().bad_lines != 0) {
    end(fmt::format("async-profiler wrote {} lines that are no stacks",
                    parser.counters().bad_lines));
  } else if (::ftruncate(output_.fd.get(), 0) != 0) {
    end("what async-profiler wrote cannot be cleared");  // it would count twice
  }
}

void AsyncProfilerRecording::end(std::string problem) {
  state_ = State::over;
  if (problem_.empty()) {
    problem_ = std::move(problem);
  }
}

std::string AsyncProfilerRecording::read_log() const {
  return last_line_of(read_from_start(log_.fd.get(), kMaxLogBytes));
}

}  // namespace waggle
