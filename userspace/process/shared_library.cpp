// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/shared_library.h"

#include <elf.h>
#include <fmt/core.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/elf_symbols.h"

namespace waggle {

namespace {

#if defined(__x86_64__)
constexpr std::uint16_t kOurMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr std::uint16_t kOurMachine = EM_AARCH64;
#endif

constexpr std::size_t kMaxNamesBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxNeeded = 100;

// DT_NEEDED of PT_DYNAMIC.
Result<std::vector<std::string>> read_needed(const ElfFile& file) {
  const std::vector<std::byte> dynamic = TRY(file.read_dynamic());
  std::vector<std::uint64_t> offsets;
  std::uint64_t names_address = 0;
  ByteCursor cursor(dynamic);
  while (cursor.remaining() >= sizeof(Elf64_Dyn) && offsets.size() < kMaxNeeded) {
    const auto entry = cursor.read<Elf64_Dyn>();
    if (entry.d_tag == DT_NEEDED) {
      offsets.push_back(entry.d_un.d_val);
    } else if (entry.d_tag == DT_STRTAB) {
      names_address = entry.d_un.d_ptr;
    }
  }
  std::vector<std::string> needed;
  if (offsets.empty()) {
    return needed;
  }
  const std::vector<std::byte> names = TRY(file.read_segment_from(names_address, kMaxNamesBytes));
  const std::string_view text(reinterpret_cast<const char*>(names.data()), names.size());
  for (const std::uint64_t offset : offsets) {
    const std::string_view rest = offset < text.size() ? text.substr(offset) : "";
    needed.emplace_back(rest.substr(0, rest.find('\0')));
  }
  return needed;
}

Result<bool> defines_function(const ElfFile& file, std::string_view name) {
  bool is_there = false;
  TRY(visit_symbols(file, [&](const ElfSymbol& symbol) {
    is_there |= symbol.name == name && symbol.type == STT_FUNC;
  }));
  return is_there;
}

}  // namespace

Result<SharedLibrary> read_shared_library(UniqueFd fd, std::string_view entry) {
  const auto file = ElfFile::open(std::move(fd));
  if (!file) {
    return fail(file.error().code, fmt::format("is no shared library: {}", file.error().what));
  }
  if (file->type() != ET_DYN) {
    return fail(Errc::malformed, "is no shared library");
  }
  if (file->machine() != kOurMachine) {
    return fail(Errc::unsupported, "is of another kind of machine than this one");
  }
  const auto has_entry = defines_function(*file, entry);
  if (!has_entry || !*has_entry) {
    return fail(Errc::malformed,
                fmt::format("has no function {}{}", entry,
                            has_entry ? "" : fmt::format(": {}", has_entry.error().what)));
  }
  return SharedLibrary{.build_id = file->build_id(), .needed = TRY(read_needed(*file))};
}

}  // namespace waggle
