// SPDX-License-Identifier: Apache-2.0
// Any bytes as what py-spy wrote.  Input: a byte that says how it comes in pieces and whether
// threads are told apart, then text.  However it is cut, the same stacks come out, and no limit is
// passed.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "tests/fuzz/pieces.h"
#include "userspace/tools/py_spy/output_parser.h"

namespace {

std::string stacks_of(std::string_view text, std::size_t piece_bytes, bool tells_threads) {
  using waggle::PySpyOutputParser;
  using waggle::StackLines;
  std::string all;
  std::uint64_t stacks = 0;
  PySpyOutputParser parser(tells_threads, [&](const waggle::PySpyStack& stack) {
    CHECK(!stack.frames.empty() && stack.frames.size() <= StackLines::kMaxFrames);
    CHECK(stack.count >= 1 && stack.count <= StackLines::kMaxCount);
    CHECK(tells_threads || stack.thread.empty());
    ++stacks;
    all.append(stack.thread).append("|");
    for (const waggle::PySpyFrame& frame : stack.frames) {
      CHECK(!frame.name.empty() && frame.line >= 0);
      all.append(frame.name).append("|").append(frame.file).append(std::to_string(frame.line));
    }
    all += std::to_string(stack.count) + "\n";
  });
  waggle::feed_in_pieces(parser, text, piece_bytes);
  parser.finish();
  CHECK(parser.counters().stacks == stacks);
  all += parser.is_corrupt() ? "corrupt" : "";
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
  return 0;
}
