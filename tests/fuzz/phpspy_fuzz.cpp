// SPDX-License-Identifier: Apache-2.0
// Any bytes as what phpspy prints.  Input: a byte that says how it comes in pieces, then text.
// However it is cut, the same stacks come out, and no limit is passed.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "tests/fuzz/pieces.h"
#include "userspace/tools/phpspy/output_parser.h"

namespace {

std::string stacks_of(std::string_view text, std::size_t piece_bytes) {
  using waggle::PhpspyOutputParser;
  std::string all;
  std::uint64_t stacks = 0;
  PhpspyOutputParser parser([&](const waggle::PhpspyStack& stack) {
    CHECK(!stack.frames.empty() && stack.frames.size() <= PhpspyOutputParser::kMaxFrames);
    CHECK(stack.pid > 0);
    ++stacks;
    std::size_t bytes = 0;
    for (const std::string_view frame : stack.frames) {
      CHECK(!frame.empty());
      bytes += frame.size();
      all += waggle::phpspy_frame_text(frame) + "|";
    }
    CHECK(bytes <= PhpspyOutputParser::kMaxBlockBytes);
    all += std::to_string(stack.pid) + "\n";
  });
  waggle::feed_in_pieces(parser, text, piece_bytes);
  parser.finish();
  CHECK(parser.counters().stacks == stacks);
  return all + std::to_string(parser.counters().bad_blocks);
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
