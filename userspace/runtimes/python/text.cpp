// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtimes/python/text.h"

#include <cstdint>

#include "base/text.h"

namespace waggle {

namespace {

constexpr std::uint32_t kLastCharacter = 0x10ffff;
constexpr std::uint32_t kFirstSurrogate = 0xd800;
constexpr std::uint32_t kLastSurrogate = 0xdfff;

// RFC 3629.
void append_utf8(std::string& text, std::uint32_t character) {
  const auto add = [&text](std::uint32_t byte) { text += static_cast<char>(byte); };
  const auto add_tail = [&](unsigned shift) { add(0x80U | (character >> shift & 0x3fU)); };
  if (character > kLastCharacter || (character >= kFirstSurrogate && character <= kLastSurrogate)) {
    add('?');
  } else if (character < 0x80) {
    add(character);
  } else if (character < 0x800) {
    add(0xc0U | character >> 6);
    add_tail(0);
  } else if (character < 0x10000) {
    add(0xe0U | character >> 12);
    add_tail(6);
    add_tail(0);
  } else {
    add(0xf0U | character >> 18);
    add_tail(12);
    add_tail(6);
    add_tail(0);
  }
}

template <class Unit>
std::string decode(Bytes data) {
  std::string text;
  ByteCursor cursor(data);
  while (cursor.remaining() >= sizeof(Unit)) {
    append_utf8(text, cursor.read<Unit>());
  }
  return text;
}

std::string decode_raw(Bytes data, PythonCharacters characters) {
  switch (characters) {
    case PythonCharacters::latin1:
      return decode<std::uint8_t>(data);
    case PythonCharacters::ucs2:
      return decode<std::uint16_t>(data);
    case PythonCharacters::ucs4:
      return decode<std::uint32_t>(data);
    case PythonCharacters::bytes:
      break;
  }
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

}  // namespace

std::string decode_python_text(Bytes data, PythonCharacters characters) {
  return printable(decode_raw(data, characters));
}

}  // namespace waggle
