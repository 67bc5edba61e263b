// SPDX-License-Identifier: Apache-2.0
// /proc/PID/maps with any text, whole and in pieces: both must tell the same.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "userspace/process/proc_maps.h"

namespace {

void check_entry(const waggle::MapsEntry& entry) {
  CHECK(entry.start < entry.end);
  CHECK(entry.path.size() <= waggle::kMaxMapsLineBytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::size_t piece_bytes = 1 + data[0] % 64U;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string whole;
  const auto summary =
      waggle::parse_maps(text, waggle::MapsFilter::all, [&](const waggle::MapsEntry& entry) {
        check_entry(entry);
        whole.append(entry.path).push_back('\n');
      });
  std::string pieces;
  waggle::MapsParser parser(waggle::MapsFilter::all, [&](const waggle::MapsEntry& entry) {
    pieces.append(entry.path).push_back('\n');
  });
  for (std::size_t at = 0; at < text.size(); at += piece_bytes) {
    parser.feed(text.substr(at, piece_bytes));
  }
  const auto piece_summary = parser.finish();
  CHECK(whole == pieces);
  CHECK(summary.entry_count == piece_summary.entry_count);
  CHECK(summary.malformed_count == piece_summary.malformed_count);
  return 0;
}
