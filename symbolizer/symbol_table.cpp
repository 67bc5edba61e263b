// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/symbol_table.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "symbolizer/symbol_reader.h"

namespace waggle {

SymbolTable SymbolTable::read(const ElfFile& file, std::optional<Error>* problem,
                              const std::stop_token& stop) {
  return read_function_symbols(file, problem, stop);
}

SymbolTable SymbolTable::from_sorted(const std::vector<FunctionSymbol>& functions) {
  SymbolTable table;
  std::size_t names_bytes = 0;
  for (const FunctionSymbol& function : functions) {
    names_bytes += function.name.size() + 1;
  }
  CHECK(names_bytes < kContinues && functions.size() < kContinues);  // readers' limits are lower
  table.names_.reserve(names_bytes);
  table.entries_.reserve(functions.size());

  struct Open {
    std::uint64_t end;
    std::uint32_t index;  // of its first entry
  };
  std::vector<Open> open;  // symbols that cover `position`, by start; the last one names it
  const auto close_up_to = [&](std::uint64_t position) {
    while (!open.empty() && open.back().end <= position) {
      const std::uint64_t end = open.back().end;
      while (!open.empty() && open.back().end <= end) {
        open.pop_back();
      }
      if (!open.empty() && end < position) {
        const Entry& owner = table.entries_[open.back().index];
        table.entries_.push_back({end, owner.size, kContinues | open.back().index});
      }
    }
  };
  for (const FunctionSymbol& function : functions) {
    close_up_to(function.start);
    const std::uint64_t size = std::min<std::uint64_t>(function.end - function.start,
                                                       std::numeric_limits<std::uint32_t>::max());
    open.push_back({function.start + size, static_cast<std::uint32_t>(table.entries_.size())});
    table.entries_.push_back({function.start, static_cast<std::uint32_t>(size),
                              static_cast<std::uint32_t>(table.names_.size())});
    table.names_ += function.name;
    table.names_ += '\0';
  }
  close_up_to(std::numeric_limits<std::uint64_t>::max());
  table.entries_.shrink_to_fit();
  table.symbol_count_ = functions.size();
  return table;
}

SymbolTable::Symbol SymbolTable::symbol_of(const Entry& entry) const {
  return {std::string_view(names_.data() + entry.name), entry.start, entry.size};
}

std::optional<SymbolTable::Symbol> SymbolTable::find(std::uint64_t address) const {
  const auto after = std::ranges::upper_bound(entries_, address, {}, &Entry::start);
  if (after == entries_.begin()) {
    return std::nullopt;
  }
  const Entry& part = *std::prev(after);
  const bool continues = (part.name & kContinues) != 0;
  const Entry& entry = continues ? entries_[part.name & ~kContinues] : part;
  if (address - entry.start >= entry.size) {
    return std::nullopt;
  }
  return symbol_of(entry);
}

std::optional<SymbolTable::Symbol> SymbolTable::find_named(std::string_view name) const {
  for (const Entry& entry : entries_) {
    if ((entry.name & kContinues) == 0) {
      const Symbol symbol = symbol_of(entry);
      if (symbol.name == name) {
        return symbol;
      }
    }
  }
  return std::nullopt;
}

}  // namespace waggle
