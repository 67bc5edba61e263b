// SPDX-License-Identifier: Apache-2.0
#include "base/mapping.h"

#include <sys/mman.h>

#include <cerrno>
#include <utility>

#include "base/check.h"

namespace waggle {

Result<Mapping> Mapping::map_shared(int fd, std::size_t size_bytes, int protection) {
  void* base = ::mmap(nullptr, size_bytes, protection, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) {
    return fail_errno("mmap", errno);
  }
  return Mapping(std::span(static_cast<std::byte*>(base), size_bytes));
}

Mapping::Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  if (this != &other) {
    reset();
    bytes_ = std::exchange(other.bytes_, {});
  }
  return *this;
}

Mapping::~Mapping() {
  reset();
}

void Mapping::reset() {
  if (!bytes_.empty()) {
    CHECK(::munmap(bytes_.data(), bytes_.size()) == 0);
    bytes_ = {};
  }
}

}  // namespace waggle
