// SPDX-License-Identifier: Apache-2.0
// The names of a JIT compiler's functions from the text of /tmp/perf-PID.map: one "START SIZE
// name" a line, in hexadecimal (tools/perf/Documentation/jit-interface.txt of the kernel).
// The process writes what it likes: broken lines are counted and skipped, limits hold.
// Opening the file is the caller's job, as it knows the process' pid namespace and root.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "symbolizer/symbol_table.h"

namespace waggle {

class PerfMap {
 public:
  // Code is moved and its memory used again while a file only grows: a line replaces all earlier
  // ones that it overlaps.
  static PerfMap parse(std::string_view text);

  [[nodiscard]] std::optional<SymbolTable::Symbol> find(std::uint64_t address) const {
    return table_.find(address);
  }
  [[nodiscard]] std::size_t symbol_count() const { return table_.symbol_count(); }
  [[nodiscard]] std::size_t broken_line_count() const { return broken_line_count_; }
  // A limit left the rest of the text unread.
  [[nodiscard]] bool is_cut() const { return is_cut_; }
  [[nodiscard]] std::size_t size_bytes() const { return table_.size_bytes(); }

 private:
  SymbolTable table_;
  std::size_t broken_line_count_ = 0;
  bool is_cut_ = false;
};

}  // namespace waggle
