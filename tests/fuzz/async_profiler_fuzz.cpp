// SPDX-License-Identifier: Apache-2.0
// Any bytes as what async-profiler wrote, as what a JVM answers, as a JDK's release and as the
// kernel's log.  Input: a byte that says how it comes in pieces and whether threads are told apart,
// then text.  However it is cut, the same stacks come out, and no limit is passed.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "tests/fuzz/pieces.h"
#include "userspace/process/kernel_log.h"
#include "userspace/tools/async_profiler/attach.h"
#include "userspace/tools/async_profiler/crash_report.h"
#include "userspace/tools/async_profiler/jattach.h"
#include "userspace/tools/async_profiler/java_version.h"
#include "userspace/tools/async_profiler/output_parser.h"

namespace {

std::string stacks_of(std::string_view text, std::size_t piece_bytes, bool tells_threads) {
  using waggle::AsyncProfilerOutputParser;
  std::string all;
  std::uint64_t stacks = 0;
  AsyncProfilerOutputParser parser(tells_threads, [&](const waggle::AsyncProfilerStack& stack) {
    CHECK(!stack.frames.empty() && stack.frames.size() <= AsyncProfilerOutputParser::kMaxFrames);
    CHECK(stack.count >= 1 && stack.count <= AsyncProfilerOutputParser::kMaxCount);
    CHECK(tells_threads ? stack.tid > 0 : stack.tid == 0 && stack.thread.empty());
    ++stacks;
    all.append(stack.thread).append("|");
    for (const std::string_view frame : stack.frames) {
      CHECK(!frame.empty() && frame.find(';') == std::string_view::npos);
      all.append(frame).append("|");
    }
    all += std::to_string(stack.count) + "\n";
  });
  waggle::feed_in_pieces(parser, text, piece_bytes);
  parser.finish();
  CHECK(parser.counters().stacks == stacks);
  return all + std::to_string(parser.counters().bad_lines);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const bool tells_threads = (data[0] & 1) != 0;
  const std::size_t piece_bytes = 1 + data[0] / 2;
  CHECK(stacks_of(text, piece_bytes, tells_threads) ==
        stacks_of(text, text.size() + 1, tells_threads));
  const auto code = waggle::parse_load_reply(text);
  CHECK(code || (!code.error().what.empty() && code.error().what.find('\n') == std::string::npos));
  const auto told = waggle::parse_jattach_output(text);
  CHECK(told || (!told.error().what.empty() && told.error().what.find('\n') == std::string::npos));
  if (const auto version = waggle::parse_java_release(text)) {
    CHECK(!version->numbers.empty() && version->numbers.size() <= 6);
    (void)waggle::is_tried_java(*version);
  }
  if (const auto death = waggle::parse_kernel_death(text)) {
    CHECK(death->pid >= 0);
    (void)waggle::mentions_pid(text, death->pid);
  }
  CHECK(waggle::crash_excerpt(text).find('\n') == std::string::npos);
  return 0;
}
