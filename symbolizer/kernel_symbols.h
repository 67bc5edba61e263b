// SPDX-License-Identifier: Apache-2.0
// Names of kernel functions from the text of /proc/kallsyms (kernel/kallsyms.c): the kernel's own,
// its modules', and those of loaded BPF programs and trampolines (module "bpf").
// Not for data symbols.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace waggle {

class KernelSymbols {
 public:
  struct Symbol {
    std::string_view name;    // as the kernel prints it; valid as long as the table
    std::string_view module;  // without brackets; empty for the kernel itself
    std::uint64_t start;
  };

  // Streams the text, 64 KiB at a time.  Errc::permission when all addresses read as zero
  // (kptr_restrict), with the remedy in the text.
  // Errc::exhausted once `stop` is requested.
  static Result<KernelSymbols> load(int fd, const std::stop_token& stop = {});
  static Result<KernelSymbols> load_path(const std::string& path = "/proc/kallsyms",
                                         const std::stop_token& stop = {});

  // The last function that starts at or before `address`: kallsyms has no sizes.  Nothing below
  // the first function, nor in user space.
  [[nodiscard]] std::optional<Symbol> find(std::uint64_t address) const;
  [[nodiscard]] std::size_t symbol_count() const { return entries_.size(); }
  [[nodiscard]] std::size_t size_bytes() const;

 private:
  friend class KallsymsParser;

  struct Entry {
    std::uint64_t start;
    std::uint32_t name;    // offset in names_
    std::uint32_t module;  // index in modules_
  };

  std::vector<Entry> entries_;
  std::string names_;  // each with its NUL
  std::vector<std::string> modules_;
};

}  // namespace waggle
