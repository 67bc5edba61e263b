// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/process_memory.h"

#include <sys/uio.h>

#include <algorithm>

namespace waggle {

bool ProcessMemory::read(std::uint64_t address, std::span<std::byte> out) const {
  const iovec local = {out.data(), out.size()};
  // NOLINTNEXTLINE(performance-no-int-to-ptr): an address of the other process
  const iovec remote = {reinterpret_cast<void*>(address), out.size()};
  const ssize_t size = ::process_vm_readv(pid_, &local, 1, &remote, 1, 0);
  return size >= 0 && static_cast<std::size_t>(size) == out.size();
}

std::optional<std::uint64_t> ProcessMemory::read_word(std::uint64_t address) const {
  std::uint64_t word = 0;
  if (!read(address, std::as_writable_bytes(std::span(&word, 1)))) {
    return std::nullopt;
  }
  return word;
}

std::optional<std::string> ProcessMemory::read_string(std::uint64_t address,
                                                      std::size_t limit) const {
  constexpr std::uint64_t kPageBytes = 4096;
  std::string text;
  while (text.size() < limit) {
    // Never past a page: the next one may not be there.
    const std::uint64_t at = address + text.size();
    const std::size_t room = kPageBytes - at % kPageBytes;
    std::string piece(std::min(room, limit - text.size()), '\0');
    if (!read(at, std::as_writable_bytes(std::span(piece)))) {
      return std::nullopt;
    }
    const std::size_t end = piece.find('\0');
    text += piece.substr(0, end);
    if (end != std::string::npos) {
      return text;
    }
  }
  return std::nullopt;
}

}  // namespace waggle
