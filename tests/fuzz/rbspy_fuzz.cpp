// SPDX-License-Identifier: Apache-2.0
// Any bytes as what rbspy wrote.  Input: a byte that says how it comes in pieces, then text.
// However it is cut, the same stacks come out, and no limit is passed.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "tests/fuzz/pieces.h"
#include "userspace/tools/rbspy/command.h"

namespace {

std::string stacks_of(std::string_view text, std::size_t piece_bytes) {
  using waggle::StackLines;
  std::string all;
  std::uint64_t stacks = 0;
  StackLines lines([&](const waggle::StackLine& stack) {
    CHECK(!stack.frames.empty() && stack.frames.size() <= StackLines::kMaxFrames);
    CHECK(stack.count >= 1 && stack.count <= StackLines::kMaxCount);
    if (!waggle::is_rbspy_stack(stack)) {
      return false;
    }
    ++stacks;
    for (const std::string_view frame : stack.frames) {
      CHECK(!frame.empty());
      all += waggle::rbspy_frame_text(frame) + "|";
    }
    all += std::to_string(stack.count) + "\n";
    return true;
  });
  waggle::feed_in_pieces(lines, text, piece_bytes);
  lines.finish();
  CHECK(lines.counters().stacks == stacks);
  all += lines.is_corrupt() ? "corrupt" : "";
  return all + std::to_string(lines.counters().bad_lines);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  CHECK(stacks_of(text, 1 + std::size_t{data[0]}) == stacks_of(text, text.size() + 1));
  return 0;
}
