// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/module.h"

#include <utility>

#include "symbolizer/demangle.h"

namespace waggle {

namespace {

// Of demangled names per module.  A profile shows some hundred functions of a file; when the
// limit is reached the names are dropped and made anew.
constexpr std::size_t kMaxNamesBytes = 1 << 20;
// Of the hash table, per name.
constexpr std::size_t kNameOverheadBytes = 64;

// Also of a stub (plt_stubs.h).
std::string demangle_symbol(std::string_view name) {
  constexpr std::string_view kStub = "@plt";
  if (!name.ends_with(kStub)) {
    return demangle(name);
  }
  return demangle(name.substr(0, name.size() - kStub.size())).append(kStub);
}

}  // namespace

Result<Module> Module::load(UniqueFd fd, const std::stop_token& stop) {
  return from_file(TRY(ElfFile::open(std::move(fd))), stop);
}

Result<Module> Module::load_bytes(std::vector<std::byte> bytes) {
  return from_file(TRY(ElfFile::from_bytes(std::move(bytes))), {});
}

Module Module::from_file(const ElfFile& file, const std::stop_token& stop) {
  Module module;
  module.build_id_ = file.build_id();
  module.segments_ = file.load_segments();
  module.symbols_ = SymbolTable::read(file, &module.problem_, stop);
  return module;
}

std::optional<std::uint64_t> Module::address_of_offset(std::uint64_t file_offset) const {
  return waggle::address_of_offset(segments_, file_offset);
}

std::optional<std::string_view> Module::find_name(std::uint64_t address) const {
  const auto symbol = symbols_.find(address);
  if (!symbol) {
    return std::nullopt;
  }
  if (const auto known = names_.find(symbol->start); known != names_.end()) {
    return known->second;
  }
  std::string name = demangle_symbol(symbol->name);
  const std::size_t bytes = name.capacity() + kNameOverheadBytes;
  if (names_bytes_ + bytes > kMaxNamesBytes) {
    names_.clear();
    names_bytes_ = 0;
  }
  names_bytes_ += bytes;
  return names_.emplace(symbol->start, std::move(name)).first->second;
}

std::size_t Module::size_bytes() const {
  return sizeof(Module) + segments_.capacity() * sizeof(ElfSegment) + symbols_.size_bytes() +
         (symbols_.symbol_count() == 0 ? 0 : kMaxNamesBytes);
}

}  // namespace waggle
