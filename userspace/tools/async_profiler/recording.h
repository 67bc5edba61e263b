// SPDX-License-Identifier: Apache-2.0
// async-profiler in one JVM, from start to stop, and what it wrote.  Not for which JVMs:
// userspace/java_session.h.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "userspace/tools/async_profiler/attach.h"
#include "userspace/tools/async_profiler/command.h"
#include "userspace/tools/async_profiler/jvm.h"
#include "userspace/tools/async_profiler/output_parser.h"
#include "userspace/tools/async_profiler/placement.h"

namespace waggle {

constexpr std::uint64_t kMaxAsyncProfilerOutputBytes = std::uint64_t{256} << 20;

// One thread.  No step waits.  Destruction asks a profiler that still runs to stop, and removes the
// library from the JVM's root.
class AsyncProfilerRecording {
 public:
  using Clock = std::chrono::steady_clock;

  // `library`: on our side.  `patience`: with each answer of the JVM.
  static Result<std::unique_ptr<AsyncProfilerRecording>> start(
      Jvm jvm, const std::string& library, const AsyncProfilerOptions& options,
      std::chrono::milliseconds patience, AsyncProfilerOutputParser::OnStack on_stack);
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
  void give_up(std::string reason);

  // Once it is over: what went wrong, in few words; stacks may have come all the same.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  // What the profiler itself takes of the JVM's memory, once it is over: "12.3 MiB"; "": not told.
  [[nodiscard]] const std::string& memory() const { return memory_; }

 private:
  enum class State { starting, dropping, running, stopping, over };

  AsyncProfilerRecording(Jvm jvm, const AsyncProfilerOptions& options,
                         std::chrono::milliseconds patience, LibraryPlace place,
                         AsyncProfilerOutputParser::OnStack on_stack);
  void ask(State state, const std::string& options);
  void take_answer(const Result<int>& code);
  void take_start(int code);
  void begin_stop();
  void take_output();
  void end(std::string problem);
  [[nodiscard]] std::string read_log() const;

  Jvm jvm_;
  AsyncProfilerOptions options_;
  std::chrono::milliseconds patience_;
  LibraryPlace place_;
  PlacedFile output_;
  PlacedFile log_;
  PlacedFile metrics_;
  AsyncProfilerOutputParser::OnStack on_stack_;
  State state_ = State::starting;
  std::optional<JvmLoad> load_;
  Clock::time_point started_;
  bool is_interrupted_ = false;
  bool was_running_ = false;     // a profiler that nobody owned
  bool may_be_running_ = false;  // in the JVM, for all we know
  std::string problem_;
  std::string memory_;
};

}  // namespace waggle
