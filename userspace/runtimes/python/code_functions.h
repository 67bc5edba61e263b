// SPDX-License-Identifier: Apache-2.0
// The functions of a file by its call frame information: also those without a symbol.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "bpf/abi/python.h"
#include "symbolizer/elf_file.h"

namespace waggle {

class CodeFunctions {
 public:
  // None where the file has no call frame information that can be read.
  explicit CodeFunctions(const ElfFile& file);

  [[nodiscard]] std::optional<py_range> find(std::uint64_t address) const;
  // Whether a function begins in [start, end), or just at an address.
  [[nodiscard]] bool has_start_in(std::uint64_t start, std::uint64_t end) const;
  [[nodiscard]] bool is_start(std::uint64_t address) const {
    return has_start_in(address, address + 1);
  }

 private:
  std::vector<py_range> ranges_;  // sorted, without overlaps
};

// Calls f(target) for each direct jump of 32 bits on x86_64, and for what looks like one, as the
// code is not decoded: jmp is E9, a conditional one 0F 80 to 0F 8F (Intel SDM, volume 2).
template <class F>
void for_each_jump(Bytes code, std::uint64_t address, F&& f) {
  constexpr std::byte kJump{0xe9};
  constexpr std::byte kTwoBytes{0x0f};
  constexpr std::byte kConditional{0x80};
  constexpr std::byte kConditionalMask{0xf0};
  constexpr std::size_t kJumpBytes = 5;
  for (std::size_t at = 0; at + kJumpBytes <= code.size(); ++at) {
    const bool is_conditional =
        at > 0 && code[at - 1] == kTwoBytes && (code[at] & kConditionalMask) == kConditional;
    if (code[at] == kJump || is_conditional) {
      ByteCursor cursor(code.subspan(at + 1));
      const auto distance = static_cast<std::int64_t>(cursor.read<std::int32_t>());
      f(address + at + kJumpBytes + static_cast<std::uint64_t>(distance));
    }
  }
}

}  // namespace waggle
