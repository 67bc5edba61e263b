// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtimes/python/thread_numbers.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace waggle {

namespace {

// 720 in glibc since 2.10, 48 in musl 1.2, both on x86_64.
constexpr std::size_t kMaxDistance = 1024;
constexpr std::size_t kMaxIds = 16'384;

using Block = std::array<std::uint32_t, kMaxDistance / sizeof(std::uint32_t)>;
using Numbers = std::map<std::uint64_t, std::uint32_t>;

// What lies on the next page may be no memory.
std::optional<Block> read_block(const ProcessMemory& memory, std::uint64_t id) {
  constexpr std::uint64_t kPageBytes = 4096;
  Block block{};
  const auto bytes = std::as_writable_bytes(std::span(block));
  const std::size_t on_page = std::min(bytes.size(), kPageBytes - id % kPageBytes);
  if (!memory.read(id, bytes.first(on_page))) {
    return std::nullopt;
  }
  (void)memory.read(id + on_page, bytes.subspan(on_page));
  return block;
}

// The numbers that are so far from each id; no two ids have the same.
Numbers numbers_at(std::size_t word, const std::vector<std::pair<std::uint64_t, Block>>& blocks,
                   const std::set<std::uint32_t>& numbers) {
  Numbers found;
  std::set<std::uint32_t> taken;
  for (const auto& [id, block] : blocks) {
    const std::uint32_t number = block[word];
    if (!numbers.contains(number)) {
      continue;  // its thread is gone
    }
    if (!taken.insert(number).second) {
      return {};
    }
    found.emplace(id, number);
  }
  return found;
}

}  // namespace

std::map<std::uint64_t, std::uint32_t> find_thread_numbers(const ProcessMemory& memory,
                                                           const std::set<std::uint64_t>& ids,
                                                           const std::set<std::uint32_t>& numbers) {
  std::vector<std::pair<std::uint64_t, Block>> blocks;
  for (const std::uint64_t id : ids) {
    const auto block = blocks.size() < kMaxIds ? read_block(memory, id) : std::nullopt;
    if (block) {
      blocks.emplace_back(id, *block);
    }
  }
  Numbers best;
  for (std::size_t word = 0; word < Block().size(); ++word) {
    Numbers found = numbers_at(word, blocks, numbers);
    if (found.size() > best.size()) {
      best = std::move(found);
    }
  }
  return best;
}

}  // namespace waggle
