// SPDX-License-Identifier: Apache-2.0
// The memory of a live process (process_vm_readv(2)): it is not stopped, so what is read changes
// while it is read.  Not for what must be known of a process that is gone.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace waggle {

class ProcessMemory {
 public:
  explicit ProcessMemory(pid_t pid) : pid_(pid) {}

  // False unless all of it could be read.
  [[nodiscard]] bool read(std::uint64_t address, std::span<std::byte> out) const;
  [[nodiscard]] std::optional<std::uint64_t> read_word(std::uint64_t address) const;
  // Up to its NUL; nothing when there is none among the first `limit` bytes.
  [[nodiscard]] std::optional<std::string> read_string(std::uint64_t address,
                                                       std::size_t limit) const;
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

}  // namespace waggle
