// SPDX-License-Identifier: Apache-2.0
// Protocol Buffers' wire format (protobuf.dev/programming-guides/encoding): the fields of one
// message, and messages of texts.  What is in a field is the caller's business.  Groups, which no
// protocol here has, are refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace waggle {

struct ProtobufField {
  std::uint64_t number = 0;
  std::uint64_t value = 0;  // of a number
  Bytes bytes;              // of a text or of a message in the message

  [[nodiscard]] std::string_view text() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
};

// Reads forward through untrusted bytes.
class ProtobufReader {
 public:
  explicit ProtobufReader(Bytes message) : cursor_(message) {}

  // Nothing at the end, and where the bytes are no message.
  std::optional<ProtobufField> next();
  // Once next() had nothing: whether that was the end.
  [[nodiscard]] bool ok() const { return cursor_.ok() && !is_broken_; }

 private:
  ByteCursor cursor_;
  bool is_broken_ = false;
};

void append_protobuf_number(std::string& message, std::uint32_t number, std::uint64_t value);
// A text or a message.
void append_protobuf_text(std::string& message, std::uint32_t number, std::string_view text);

}  // namespace waggle
