// SPDX-License-Identifier: Apache-2.0
// What gives the addresses of one executable file their names: its segments and its symbols.
// Not for finding the file of a mapping, nor for keeping modules: see module_cache.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/symbol_table.h"

namespace waggle {

// Not thread-safe: a lookup remembers the name it demangled.
class Module {
 public:
  Module() = default;  // finds no names

  // A file without symbols is a module that finds no names; only what is no ELF file fails.
  // The file is closed again: all that is needed is in memory.
  // Once `stop` is requested, soon a module that finds no names.
  static Result<Module> load(UniqueFd fd, const std::stop_token& stop = {});
  static Result<Module> load_bytes(std::vector<std::byte> bytes);

  [[nodiscard]] const std::string& build_id() const { return build_id_; }
  // See ElfFile::address_of_offset.
  [[nodiscard]] std::optional<std::uint64_t> address_of_offset(std::uint64_t file_offset) const;
  // The demangled name of the function at `address` of the file's own address space.  The text is
  // valid until the next call.
  [[nodiscard]] std::optional<std::string_view> find_name(std::uint64_t address) const;
  [[nodiscard]] const SymbolTable& symbols() const { return symbols_; }
  // Why a symbol table of the file is not used, if one is not.
  [[nodiscard]] const std::optional<Error>& problem() const { return problem_; }
  // Memory, the most that demangled names may take included, so that it never changes.
  [[nodiscard]] std::size_t size_bytes() const;

 private:
  static Module from_file(const ElfFile& file, const std::stop_token& stop);

  std::string build_id_;
  std::vector<ElfSegment> segments_;
  SymbolTable symbols_;
  std::optional<Error> problem_;
  mutable std::unordered_map<std::uint64_t, std::string> names_;  // by the symbol's start
  mutable std::size_t names_bytes_ = 0;
};

}  // namespace waggle
