// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/plt_stubs.h"

#include <elf.h>

#include <cstddef>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "base/bytes.h"

namespace waggle {

namespace {

// Of each of the sections that are read.  A browser has some thousand stubs of 16 bytes; larger
// .rela.dyn sections are full of relative relocations, for one or two stubs in .plt.got.
constexpr std::size_t kMaxSectionBytes = 4 << 20;
constexpr std::size_t kMaxNameBytes = 16 << 10;
constexpr std::string_view kSuffix = "@plt";

// The names of slots, by the slot's address.
using Slots = std::unordered_map<std::uint64_t, std::string_view>;

struct SymbolNames {
  std::vector<std::byte> symbols;  // Elf64_Sym records
  std::vector<std::byte> strings;

  [[nodiscard]] std::optional<std::string_view> name_of(std::uint64_t index) const {
    const auto raw = checked_slice(symbols, index * sizeof(Elf64_Sym), sizeof(Elf64_Sym));
    if (!raw) {
      return std::nullopt;
    }
    const auto name = checked_string(strings, ByteCursor(*raw).read<Elf64_Sym>().st_name);
    return name && !name->empty() && name->size() <= kMaxNameBytes ? name : std::nullopt;
  }
};

bool is_slot(std::uint64_t info) {
  const auto type = ELF64_R_TYPE(info);
  return type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT;
}

Result<> add_slots(const ElfFile& file, const ElfSection& relocations, const SymbolNames& names,
                   Slots& slots) {
  const auto bytes = TRY(file.read_section(relocations, kMaxSectionBytes));
  ByteCursor cursor(bytes);
  while (cursor.remaining() >= sizeof(Elf64_Rela)) {
    const auto relocation = cursor.read<Elf64_Rela>();
    if (!is_slot(relocation.r_info)) {
      continue;
    }
    if (const auto name = names.name_of(ELF64_R_SYM(relocation.r_info))) {
      slots.emplace(relocation.r_offset, *name);
    }
  }
  return {};
}

bool skip(ByteCursor& cursor, std::string_view wanted) {
  ByteCursor ahead = cursor;
  const Bytes bytes = ahead.take(wanted.size());
  const bool is_there = ahead.ok() && std::string_view(reinterpret_cast<const char*>(bytes.data()),
                                                       bytes.size()) == wanted;
  if (is_there) {
    cursor = ahead;
  }
  return is_there;
}

struct Jump {
  std::uint64_t slot;
  bool has_landing_pad;  // endbr64
};

// [endbr64] [bnd] jmp *slot(%rip)
std::optional<Jump> decode_jump(Bytes code, std::uint64_t address) {
  using namespace std::string_view_literals;
  ByteCursor cursor(code);
  const bool has_landing_pad = skip(cursor, "\xf3\x0f\x1e\xfa"sv);
  (void)skip(cursor, "\xf2"sv);
  if (!skip(cursor, "\xff\x25"sv)) {
    return std::nullopt;
  }
  const auto distance = static_cast<std::uint64_t>(std::int64_t{cursor.read<std::int32_t>()});
  if (!cursor.ok()) {
    return std::nullopt;
  }
  const std::uint64_t next = address + (code.size() - cursor.remaining());
  return Jump{.slot = next + distance, .has_landing_pad = has_landing_pad};
}

Result<> add_stubs(const ElfFile& file, const ElfSection& section, const Slots& slots,
                   std::vector<PltStub>& stubs) {
  const auto code = TRY(file.read_section(section, kMaxSectionBytes));
  constexpr std::size_t kAlignment = 8;
  constexpr std::uint32_t kSize = 16;
  constexpr std::uint32_t kShortSize = 8;
  for (std::size_t at = 0; at < code.size(); at += kAlignment) {
    const std::uint64_t address = section.address + at;
    const auto jump = decode_jump(Bytes(code).subspan(at), address);
    const auto slot = jump ? slots.find(jump->slot) : slots.end();
    if (slot != slots.end()) {
      const bool is_short = section.name == ".plt.got" && !jump->has_landing_pad;
      stubs.push_back({.start = address,
                       .size = is_short ? kShortSize : kSize,
                       .name = std::string(slot->second).append(kSuffix)});
    }
  }
  return {};
}

}  // namespace

Result<std::vector<PltStub>> read_plt_stubs(const ElfFile& file) {
  std::vector<PltStub> stubs;
  const ElfSection* symbols = file.find_section(".dynsym");
  const auto& sections = file.sections();
  if (file.machine() != EM_X86_64 || symbols == nullptr || symbols->link >= sections.size()) {
    return stubs;
  }
  constexpr std::size_t kMaxTableBytes = 64 << 20;
  const SymbolNames names{
      .symbols = TRY(file.read_section(*symbols, kMaxTableBytes)),
      .strings = TRY(file.read_section(sections[symbols->link], kMaxTableBytes))};
  Slots slots;
  for (const char* name : {".rela.plt", ".rela.dyn"}) {
    const ElfSection* relocations = file.find_section(name);
    if (relocations != nullptr && relocations->size <= kMaxSectionBytes) {
      TRY(add_slots(file, *relocations, names, slots));
    }
  }
  for (const char* name : {".plt", ".plt.sec", ".plt.got"}) {
    if (const ElfSection* section = file.find_section(name)) {
      if (section->name == ".plt" && section->size <= kMaxSectionBytes) {
        stubs.push_back({.start = section->address,
                         .size = static_cast<std::uint32_t>(section->size),
                         .name = section->name});
      }
      TRY(add_stubs(file, *section, slots, stubs));
    }
  }
  return stubs;
}

}  // namespace waggle
