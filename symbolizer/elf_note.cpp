// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/elf_note.h"

#include <elf.h>

#include <algorithm>
#include <cstddef>

namespace waggle {

namespace {

// Linkers make 8 to 20 bytes (xxhash to SHA-1); --build-id=0x... may give more.
constexpr std::uint32_t kMaxBuildIdBytes = 64;

std::string to_hex(Bytes bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::byte value : bytes) {
    text += kDigits[std::to_integer<unsigned>(value) >> 4];
    text += kDigits[std::to_integer<unsigned>(value) & 15];
  }
  return text;
}

}  // namespace

std::optional<std::string> find_build_id(Bytes notes, std::uint64_t alignment) {
  const std::size_t align = alignment == 8 ? 8 : 4;
  const auto take_padded = [&](ByteCursor& cursor, std::size_t size) {
    const Bytes part = cursor.take(size);
    const std::size_t padding = (align - size % align) % align;
    (void)cursor.take(std::min(padding, cursor.remaining()));  // the last note may lack it
    return part;
  };
  ByteCursor cursor(notes);
  while (cursor.ok() && cursor.remaining() != 0) {
    const auto header = cursor.read<Elf64_Nhdr>();
    const Bytes name = take_padded(cursor, header.n_namesz);
    const Bytes value = take_padded(cursor, header.n_descsz);
    const bool is_gnu = name.size() == 4 && checked_string(name, 0) == "GNU";
    if (cursor.ok() && is_gnu && header.n_type == NT_GNU_BUILD_ID && !value.empty() &&
        value.size() <= kMaxBuildIdBytes) {
      return to_hex(value);
    }
  }
  return std::nullopt;
}

}  // namespace waggle
