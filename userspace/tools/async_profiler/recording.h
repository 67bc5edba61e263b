// SPDX-License-Identifier: Apache-2.0
// async-profiler in one JVM, from start to stop, and what it wrote.  Not for which JVMs:
// userspace/runtime_profilers/java_session.h.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "base/result.h"
#include "userspace/tools/async_profiler/attach.h"
#include "userspace/tools/async_profiler/command.h"
#include "userspace/tools/async_profiler/jattach.h"
#include "userspace/tools/async_profiler/jvm.h"
#include "userspace/tools/async_profiler/output_parser.h"
#include "userspace/tools/placement.h"

namespace waggle {

// How a JVM is asked.
struct AttachOptions {
  std::chrono::milliseconds patience{30000};  // with each of its answers
  std::string jattach = {};                   // the program that asks; "": we do
  std::function<void(pid_t)> add_own = {};    // is told of it, as a child of ours
};

constexpr std::uint64_t kMaxAsyncProfilerOutputBytes = std::uint64_t{256} << 20;

// One thread.  No step waits.  Destruction asks a profiler that still runs to stop, and removes the
// library from the JVM's root.
class AsyncProfilerRecording {
 public:
  using Clock = std::chrono::steady_clock;

  // `library`: on our side.
  static Result<std::unique_ptr<AsyncProfilerRecording>> start(
      Jvm jvm, const std::string& library, const AsyncProfilerOptions& options,
      const AttachOptions& attach, AsyncProfilerOutputParser::OnStack on_stack);
  AsyncProfilerRecording(const AsyncProfilerRecording&) = delete;  // what it runs holds addresses
  AsyncProfilerRecording& operator=(const AsyncProfilerRecording&) = delete;
  ~AsyncProfilerRecording();

  [[nodiscard]] bool is_target_alive() const { return jvm_.is_alive(); }
  // The JVM owes an answer.
  [[nodiscard]] bool is_waiting() const { return load_.has_value(); }
  [[nodiscard]] bool is_over() const { return state_ == State::over; }

  // Every JvmLoad::kPollInterval while it is waiting; a few times a second else.
  void advance();
  // Asks for the end; is_over() tells when it is there.
  void interrupt();
  // It is over, whatever the JVM owes.
  void give_up();

  // Once it is over: what went wrong, in few words; stacks may have come all the same.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  // What the profiler itself takes of the JVM's memory, once it is over: "12.3 MiB"; "": not told.
  [[nodiscard]] const std::string& memory() const { return memory_; }
  // Once it runs: the first of the options that this async-profiler does not know; "": none.
  [[nodiscard]] const std::string& unknown_option() const { return unknown_option_; }
  // Likewise: the kernel refuses perf events to the JVM, and timers do in their place.
  [[nodiscard]] bool has_timers_for_events() const { return has_timers_for_events_; }
  // Of programs that ask the JVM.
  [[nodiscard]] std::chrono::microseconds cpu_time() const { return cpu_time_; }

 private:
  enum class State { starting, dropping, running, measuring, stopping, over };
  using Load = std::variant<JvmLoad, JattachLoad>;

  AsyncProfilerRecording(Jvm jvm, const AsyncProfilerOptions& options, const AttachOptions& attach,
                         LibraryPlace place, AsyncProfilerOutputParser::OnStack on_stack);
  Result<Load> begin_load(const std::string& options);
  void ask(State state, const std::string& options);
  void take_answer(const Result<int>& code);
  void take_start(int code);
  void take_failed_start();
  void note_start();
  void end_load();
  void begin_stop();
  void end_for(const Error& error);
  void end_with_target();
  void take_output();
  void end(std::string problem);
  [[nodiscard]] std::string read_log() const;

  Jvm jvm_;
  AsyncProfilerOptions options_;
  AttachOptions attach_;
  LibraryPlace place_;
  PlacedFile output_;
  PlacedFile log_;
  PlacedFile metrics_;
  AsyncProfilerOutputParser::OnStack on_stack_;
  State state_ = State::starting;
  std::optional<Load> load_;
  Clock::time_point started_;
  std::uint64_t stack_count_ = 0;  // that were handed out
  bool is_interrupted_ = false;
  bool was_running_ = false;     // a profiler that nobody owned
  bool may_be_running_ = false;  // in the JVM, for all we know
  std::string problem_;
  std::string memory_;
  std::string unknown_option_;
  bool has_timers_for_events_ = false;
  std::chrono::microseconds cpu_time_{};
};

}  // namespace waggle
