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
  Bytes rest_;
  bool ok_ = true;
};

}  // namespace waggle
