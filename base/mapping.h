// SPDX-License-Identifier: Apache-2.0
// The owner of one mmap(2): base and length together.  Not for files of other users: a mapped file
// that is truncated kills us with SIGBUS.
#pragma once

#include <cstddef>
#include <span>

#include "base/result.h"

namespace waggle {

class Mapping {
 public:
  // Shared, from offset 0 of `fd`; `protection` as in mmap(2).
  static Result<Mapping> map_shared(int fd, std::size_t size_bytes, int protection);

  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }

 private:
  explicit Mapping(std::span<std::byte> bytes) : bytes_(bytes) {}
  void reset();

  std::span<std::byte> bytes_;
};

}  // namespace waggle
