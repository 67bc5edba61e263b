// SPDX-License-Identifier: Apache-2.0
// Any bytes as the text of perf script.  Input: a byte that says how it comes in pieces, then text.
// However it is cut, the same samples come out, and no limit is passed.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "tests/fuzz/pieces.h"
#include "userspace/tools/perf/frame_text.h"
#include "userspace/tools/perf/script_parser.h"

namespace {

std::string samples_of(std::string_view text, std::size_t piece_bytes) {
  using waggle::PerfScriptParser;
  std::string all;
  PerfScriptParser parser("c", [&](const waggle::PerfSample& sample) {
    CHECK(sample.frames.size() <= PerfScriptParser::kMaxFrames);
    CHECK(waggle::count_kernel_frames(sample.frames) <= sample.frames.size());
    std::size_t bytes = 0;
    all += std::to_string(sample.time_ns);
    for (const waggle::PerfFrame& frame : sample.frames) {
      bytes += frame.symbol.size() + frame.object.size();
      all += waggle::frame_text(frame, waggle::ObjectNames::shown) + ";";
    }
    CHECK(bytes <= PerfScriptParser::kMaxSampleBytes);
    all += '\n';
  });
  waggle::feed_in_pieces(parser, text, piece_bytes);
  parser.finish(true);
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  CHECK(samples_of(text, 1 + data[0]) == samples_of(text, text.size() + 1));
  return 0;
}
