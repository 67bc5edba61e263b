// SPDX-License-Identifier: Apache-2.0
// One command to a JVM, over HotSpot's dynamic attach: a socket in its /tmp that it makes when it
// is asked to by a file there and SIGQUIT, fields that end in NUL, a text until the end of file.
// Not for whether it may be asked: why_not_to_attach().
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/unique_fd.h"
#include "userspace/tools/async_profiler/jvm.h"

namespace waggle {

// What the JVM says of `load`: the library's own code.  An error: the JVM has refused it, or the
// text is none that a JVM sends.
Result<int> parse_load_reply(std::string_view text);

// One thread.  Each step is short; whoever owns it calls poll() every kPollInterval.  Destruction
// leaves no file, but what the JVM was sent it does.
class JvmLoad {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kPollInterval{20};
  static constexpr std::size_t kMaxReplyBytes = 65536;
  static constexpr std::size_t kMaxFieldBytes = 1023;  // HotSpot's arg_length_max - 1

  // Loads `library`, a path as the JVM sees it, and hands it `options`.  The JVM lives as long.
  static Result<JvmLoad> start(const Jvm& jvm, std::string_view library, std::string_view options,
                               Clock::time_point deadline);
  // The same to a JVM that listens already, without its answer; false: it does not.
  static bool tell(const Jvm& jvm, std::string_view library, std::string_view options);
  JvmLoad(const JvmLoad&) = delete;
  JvmLoad& operator=(const JvmLoad&) = delete;
  JvmLoad(JvmLoad&&) = default;
  JvmLoad& operator=(JvmLoad&&) = default;
  ~JvmLoad() { remove_trigger(); }

  // The library's code, once.
  std::optional<Result<int>> poll();
  // Without its answer.  What to tell then.
  std::string give_up();
  // Of children of ours: they do nothing but connect.
  [[nodiscard]] static std::chrono::microseconds cpu_time() { return {}; }

 private:
  JvmLoad(const Jvm& jvm, std::string message, Clock::time_point deadline)
      : jvm_(&jvm), message_(std::move(message)), deadline_(deadline) {}
  static Result<JvmLoad> prepare(const Jvm& jvm, std::string_view library, std::string_view options,
                                 Clock::time_point deadline);
  Result<> ask_for_socket();
  Result<bool> connect();
  std::optional<Result<int>> read();
  void remove_trigger();

  const Jvm* jvm_;
  std::string message_;
  Clock::time_point deadline_;
  UniqueFd temporary_;   // its /tmp
  std::string trigger_;  // name of our file there; "": none
  UniqueFd socket_;      // connected, and the message sent
  std::string reply_;
};

}  // namespace waggle
