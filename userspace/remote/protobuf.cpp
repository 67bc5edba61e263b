// SPDX-License-Identifier: Apache-2.0
#include "userspace/remote/protobuf.h"

namespace waggle {

namespace {

constexpr unsigned kTypeBits = 3;
enum WireType : unsigned { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

void append_varint(std::string& message, std::uint64_t value) {
  constexpr unsigned kBits = 7;
  constexpr unsigned kMore = 0x80;
  for (; value >= kMore; value >>= kBits) {
    message += static_cast<char>(value | kMore);
  }
  message += static_cast<char>(value);
}

void append_key(std::string& message, std::uint32_t number, WireType type) {
  append_varint(message, std::uint64_t{number} << kTypeBits | type);
}

}  // namespace

std::optional<ProtobufField> ProtobufReader::next() {
  if (!ok() || cursor_.remaining() == 0) {
    return std::nullopt;
  }
  constexpr unsigned kTypeMask = (1U << kTypeBits) - 1;
  const std::uint64_t key = cursor_.read_uleb128();
  ProtobufField field{.number = key >> kTypeBits, .value = 0, .bytes = {}};
  switch (key & kTypeMask) {
    case kVarint:
      field.value = cursor_.read_uleb128();
      break;
    case kFixed64:
      field.value = cursor_.read<std::uint64_t>();
      break;
    case kLengthDelimited:
      field.bytes = cursor_.take(cursor_.read_uleb128());
      break;
    case kFixed32:
      field.value = cursor_.read<std::uint32_t>();
      break;
    default:
      is_broken_ = true;
  }
  is_broken_ |= field.number == 0;
  return ok() ? std::optional(field) : std::nullopt;
}

void append_protobuf_number(std::string& message, std::uint32_t number, std::uint64_t value) {
  append_key(message, number, kVarint);
  append_varint(message, value);
}

void append_protobuf_text(std::string& message, std::uint32_t number, std::string_view text) {
  append_key(message, number, kLengthDelimited);
  append_varint(message, text.size());
  message += text;
}

}  // namespace waggle
