// SPDX-License-Identifier: Apache-2.0
// Reading untrusted bytes: never past the end, no arithmetic on values from a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

namespace waggle {

using Bytes = std::span<const std::byte>;

// The part [offset, offset + size), or nothing when it does not lie inside `bytes`.
inline std::optional<Bytes> checked_slice(Bytes bytes, std::uint64_t offset, std::uint64_t size) {
  if (offset > bytes.size() || size > bytes.size() - offset) {
    return std::nullopt;
  }
  return bytes.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(size));
}

// The NUL-terminated string at `offset`, without the NUL; nothing when no NUL follows.
inline std::optional<std::string_view> checked_string(Bytes bytes, std::uint64_t offset) {
  if (offset >= bytes.size()) {
    return std::nullopt;
  }
  const Bytes rest = bytes.subspan(static_cast<std::size_t>(offset));
  const void* end = std::memchr(rest.data(), 0, rest.size());
  if (end == nullptr) {
    return std::nullopt;
  }
  const auto size = static_cast<const std::byte*>(end) - rest.data();
  return std::string_view(reinterpret_cast<const char*>(rest.data()),
                          static_cast<std::size_t>(size));
}

// Reads forward.  The first read past the end latches the cursor as failed; every later read
// returns zero.  Callers check ok() once per record, before using its values.
class ByteCursor {
 public:
  explicit ByteCursor(Bytes bytes) : rest_(bytes) {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::size_t remaining() const { return rest_.size(); }

  template <class T>
    requires std::is_trivially_copyable_v<T>
  T read() {
    T value{};
    const Bytes raw = take(sizeof(T));
    if (ok_) {
      std::memcpy(&value, raw.data(), sizeof(T));
    }
    return value;
  }

  // LEB128 (DWARF 5, section 7.6).  What does not fit 64 bits is cut off, as every reader does.
  std::uint64_t read_uleb128() {
    const Leb128 number = read_leb128();
    return ok_ ? number.value : 0;
  }

  std::int64_t read_sleb128() {
    Leb128 number = read_leb128();
    if (number.has_sign && number.bits < kValueBits) {
      number.value |= ~std::uint64_t{0} << number.bits;
    }
    return ok_ ? static_cast<std::int64_t>(number.value) : 0;
  }

  Bytes take(std::size_t count) {
    if (!ok_ || count > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const Bytes head = rest_.first(count);
    rest_ = rest_.subspan(count);
    return head;
  }

 private:
  static constexpr unsigned kLebBits = 7;
  static constexpr unsigned kLebMask = 0x7f;
  static constexpr unsigned kLebSign = 0x40;
  static constexpr unsigned kLebMore = 0x80;
  static constexpr unsigned kValueBits = 64;

  struct Leb128 {
    std::uint64_t value = 0;
    unsigned bits = 0;      // that were read, kValueBits and more: all of them
    bool has_sign = false;  // of the last byte
  };

  Leb128 read_leb128() {
    Leb128 number;
    for (;;) {
      const auto byte = read<std::uint8_t>();
      if (number.bits < kValueBits) {
        number.value |= static_cast<std::uint64_t>(byte & kLebMask) << number.bits;
        number.bits += kLebBits;
      }
      if ((byte & kLebMore) == 0) {
        number.has_sign = (byte & kLebSign) != 0;
        return number;
      }
    }
  }

  Bytes rest_;
  bool ok_ = true;
};

}  // namespace waggle
