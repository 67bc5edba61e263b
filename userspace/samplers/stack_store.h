// SPDX-License-Identifier: Apache-2.0
// The frames of the stacks of one generation, by stack id.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace waggle {

// Cleared with each generation, so its size is bounded by what one interval sends through the
// rings.
class StackStore {
 public:
  struct Stack {
    std::uint64_t time_ns = 0;
    std::span<const std::uint64_t> frames;  // valid until put() or clear()
  };

  // A stack that two CPUs sent is kept once.
  void put(std::uint64_t stack_id, std::uint64_t time_ns, std::span<const std::uint64_t> frames) {
    const Place place{.time_ns = time_ns, .offset = frames_.size(), .count = frames.size()};
    if (places_.try_emplace(stack_id, place).second) {
      frames_.insert(frames_.end(), frames.begin(), frames.end());
    }
  }

  // Without frames when the id is unknown.
  [[nodiscard]] Stack find(std::uint64_t stack_id) const {
    const auto known = places_.find(stack_id);
    if (known == places_.end()) {
      return {};
    }
    const Place& place = known->second;
    return {.time_ns = place.time_ns,
            .frames = std::span(frames_).subspan(place.offset, place.count)};
  }

  void clear() {
    places_.clear();
    frames_.clear();
  }

 private:
  struct Place {
    std::uint64_t time_ns;
    std::size_t offset;
    std::size_t count;
  };
  std::unordered_map<std::uint64_t, Place> places_;
  std::vector<std::uint64_t> frames_;
};

}  // namespace waggle
