// SPDX-License-Identifier: Apache-2.0
// A text that a parser gets in pieces, as a tool prints it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace waggle {

// All of it, `piece_bytes` at a time.
template <class Parser>
void feed_in_pieces(Parser& parser, std::string_view text, std::size_t piece_bytes) {
  while (!text.empty()) {
    parser.feed(text.substr(0, piece_bytes));
    text.remove_prefix(std::min(piece_bytes, text.size()));
  }
}

}  // namespace waggle
