// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/dynamic_symbols.h"

#include <elf.h>
#include <fmt/core.h>

#include <algorithm>
#include <cstdint>

namespace waggle {

namespace {

struct DynamicTags {
  std::uint64_t symbols = 0;
  std::uint64_t strings = 0;
  std::uint64_t string_bytes = 0;
  std::uint64_t hash = 0;
  std::uint64_t gnu_hash = 0;
};

DynamicTags read_tags(Bytes dynamic) {
  DynamicTags tags;
  ByteCursor cursor(dynamic);
  while (cursor.remaining() >= sizeof(Elf64_Dyn)) {
    const auto entry = cursor.read<Elf64_Dyn>();
    switch (entry.d_tag) {
      case DT_NULL:
        return tags;
      case DT_SYMTAB:
        tags.symbols = entry.d_un.d_ptr;
        break;
      case DT_STRTAB:
        tags.strings = entry.d_un.d_ptr;
        break;
      case DT_STRSZ:
        tags.string_bytes = entry.d_un.d_val;
        break;
      case DT_HASH:
        tags.hash = entry.d_un.d_ptr;
        break;
      case DT_GNU_HASH:
        tags.gnu_hash = entry.d_un.d_ptr;
        break;
      default:
        break;
    }
  }
  return tags;
}

// The highest symbol index of a chain ends the table: chains lie in the order of the symbols, and
// the last word of each has bit 0 set.  Without any chain only unhashed symbols (imports) exist.
Result<std::uint64_t> count_by_gnu_hash(Bytes table, std::size_t max_symbols) {
  ByteCursor cursor(table);
  const auto bucket_count = cursor.read<std::uint32_t>();
  const auto first_symbol = cursor.read<std::uint32_t>();
  const auto bloom_count = cursor.read<std::uint32_t>();
  (void)cursor.read<std::uint32_t>();  // the bloom filter's shift
  (void)cursor.take(std::size_t{bloom_count} * sizeof(std::uint64_t));
  std::uint32_t last = 0;
  for (std::uint32_t i = 0; i < bucket_count && cursor.ok(); ++i) {
    last = std::max(last, cursor.read<std::uint32_t>());
  }
  if (last < first_symbol || !cursor.ok()) {
    return cursor.ok() ? Result<std::uint64_t>(first_symbol)
                       : fail(Errc::malformed, "DT_GNU_HASH is cut");
  }
  (void)cursor.take((std::size_t{last} - first_symbol) * sizeof(std::uint32_t));
  std::uint64_t count = last;
  std::uint32_t word = 0;
  while ((word & 1) == 0 && cursor.ok() && count < max_symbols) {
    word = cursor.read<std::uint32_t>();
    ++count;
  }
  return cursor.ok() ? Result<std::uint64_t>(count) : fail(Errc::malformed, "DT_GNU_HASH is cut");
}

Result<std::uint64_t> count_symbols(const ElfFile& file, const DynamicTags& tags,
                                    std::size_t max_symbols) {
  if (tags.hash != 0) {
    const auto header = TRY(file.read_address(tags.hash, 2 * sizeof(std::uint32_t)));
    ByteCursor cursor(header);
    (void)cursor.read<std::uint32_t>();   // nbucket
    return cursor.read<std::uint32_t>();  // nchain is the number of symbols
  }
  if (tags.gnu_hash == 0) {
    return fail(Errc::malformed, "dynamic symbols without a hash table");
  }
  // Per symbol 4 bytes of chain, at most as much again of buckets and a word of bloom filter.
  const std::size_t limit = max_symbols * 16;
  return count_by_gnu_hash(TRY(file.read_segment_from(tags.gnu_hash, limit)), max_symbols);
}

}  // namespace

Result<DynamicSymbols> read_dynamic_symbols(const ElfFile& file, std::size_t max_symbols,
                                            std::size_t max_string_bytes) {
  const DynamicTags tags = read_tags(TRY(file.read_dynamic()));
  if (tags.symbols == 0 || tags.strings == 0) {
    return DynamicSymbols{};
  }
  const std::uint64_t count = TRY(count_symbols(file, tags, max_symbols));
  if (count > max_symbols || tags.string_bytes > max_string_bytes) {
    return fail(Errc::exhausted,
                fmt::format("{} dynamic symbols, {} bytes of names", count, tags.string_bytes));
  }
  DynamicSymbols read;
  read.symbols = TRY(file.read_address(tags.symbols, count * sizeof(Elf64_Sym)));
  read.strings = TRY(file.read_address(tags.strings, tags.string_bytes));
  return read;
}

}  // namespace waggle
