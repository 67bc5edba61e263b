// SPDX-License-Identifier: Apache-2.0
#include "userspace/output/page_data.h"

#include <cstdint>

namespace waggle {

namespace {

void append_varint(std::string& bytes, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) {
    bytes += static_cast<char>((value & 0x7f) | 0x80);
  }
  bytes += static_cast<char>(value);
}

void append_section(std::string& bytes, std::string_view section) {
  append_varint(bytes, section.size());
  bytes += section;
}

std::string encode_names(const FlameTree& tree) {
  std::string names;
  for (const std::string& name : tree.names) {
    names.append(names.empty() && &name == &tree.names.front() ? "" : "\n").append(name);
  }
  return names;
}

std::string encode_pops(const FlameTree& tree) {
  std::string pops;
  std::uint32_t depth = 0;
  for (const FlameTree::Node& node : tree.nodes) {
    append_varint(pops, depth + 1 - node.depth);
    depth = node.depth;
  }
  return pops;
}

void append_planes(std::string& bytes, const FlameTree& tree) {
  std::string plane(tree.nodes.size(), '\0');
  unsigned shift = 0;
  do {
    for (std::size_t i = 0; i < plane.size(); ++i) {
      plane[i] = static_cast<char>(tree.nodes[i].name >> shift);
    }
    append_section(bytes, plane);
    shift += 8;
  } while (tree.names.size() > std::size_t{1} << shift);
}

}  // namespace

std::string encode_page_data(const FlameTree& tree, std::string_view facts_json) {
  std::string containers;
  for (const std::uint32_t container : tree.containers) {
    append_varint(containers, container);
  }
  std::string selves;
  for (const FlameTree::Node& node : tree.nodes) {
    append_varint(selves, node.self);
  }
  std::string bytes;
  append_section(bytes, facts_json);
  append_section(bytes, encode_names(tree));
  append_section(bytes, containers);
  append_section(bytes, encode_pops(tree));
  append_section(bytes, selves);
  append_planes(bytes, tree);
  return bytes;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::string_view group = bytes.substr(at, 3);
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      bits = bits << 8 | (i < group.size() ? static_cast<unsigned char>(group[i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      text += i <= group.size() ? kDigits[bits >> (18 - 6 * i) & 63] : '=';
    }
  }
  return text;
}

}  // namespace waggle
