// SPDX-License-Identifier: Apache-2.0
// The bytes that the flame graph page carries; page/decode.js reads them.
//
// Sections, each a varint length and its bytes (varint: 7 bits a byte, low ones first, the high
// bit says more follow):
//   facts       JSON {"title": ..., "waggle": the object of the .col header}
//   names       UTF-8 texts joined by newlines (no name holds one)
//   containers  per process, in the order of the nodes: varint, index in names
//   pops        per node: varint, how many levels the depth falls short of "child of the node
//   before" selves      per node: varint, samples that end in it planes      1 to 4 sections of one
//   byte per node: byte 0, 1, ... of its index in names
// Planes, pops and selves lie apart because deflate then sees like beside like: with 8 million
// nodes of random names this comes within 1 % of their entropy.
#pragma once

#include <string>
#include <string_view>

#include "userspace/output/flame_tree.h"

namespace waggle {

// Not compressed.
std::string encode_page_data(const FlameTree& tree, std::string_view facts_json);

std::string base64(std::string_view bytes);

}  // namespace waggle
