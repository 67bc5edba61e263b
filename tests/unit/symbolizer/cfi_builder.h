// SPDX-License-Identifier: Apache-2.0
// Hand-made call frame information, and an ELF file around it: code at [kCode, kCode + kCodeBytes),
// the sections behind it.
#pragma once

#include <elf.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "symbolizer/eh_frame.h"
#include "symbolizer/elf_file.h"

namespace waggle {

constexpr std::uint64_t kCode = 0x1000;
constexpr std::uint64_t kCodeBytes = 0x10000;
constexpr std::uint64_t kEhFrame = 0x20000;  // address of .eh_frame
constexpr std::uint64_t kEhFrameHeader = 0x28000;
constexpr std::uint64_t kGot = 0x30000;
constexpr std::uint64_t kPlt = kCode + 0x8000;
// What DWARF calls rax, rdx, rcx, rbx, rbp, rsp, r9, r10 and the return address.
enum : std::uint8_t {
  kRax = 0,
  kRdx = 1,
  kRcx = 2,
  kRbx = 3,
  kRbp = 6,
  kRsp = 7,
  kR9 = 9,
  kR10 = 10,
  kRip = 16
};

class ByteWriter {
 public:
  ByteWriter() = default;
  ByteWriter(std::initializer_list<unsigned> bytes) { u8(bytes); }

  ByteWriter& u8(std::initializer_list<unsigned> bytes) {
    for (const unsigned value : bytes) {
      bytes_.push_back(static_cast<std::byte>(value));
    }
    return *this;
  }
  template <class T>
    requires std::is_trivially_copyable_v<T>
  ByteWriter& put(T value) {
    const auto raw = std::as_bytes(std::span(&value, 1));
    bytes_.insert(bytes_.end(), raw.begin(), raw.end());
    return *this;
  }
  ByteWriter& uleb(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) {
      u8({static_cast<unsigned>(value & 0x7f) | 0x80});
    }
    return u8({static_cast<unsigned>(value)});
  }
  ByteWriter& sleb(std::int64_t value) {
    for (; value < -0x40 || value >= 0x40; value >>= 7) {
      u8({static_cast<unsigned>(value & 0x7f) | 0x80});
    }
    return u8({static_cast<unsigned>(value & 0x7f)});
  }
  ByteWriter& text(std::string_view value) {
    for (const char letter : value) {
      u8({static_cast<unsigned char>(letter)});
    }
    return u8({0});
  }
  ByteWriter& add(const ByteWriter& other) {
    bytes_.insert(bytes_.end(), other.bytes_.begin(), other.bytes_.end());
    return *this;
  }
  // Length first.
  ByteWriter& block(const ByteWriter& other) { return uleb(other.size()).add(other); }

  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

// DW_CFA_*, spelled as the assembler's directives.
namespace cfi {
inline ByteWriter advance(unsigned delta) {
  return {0x40 | delta};
}
inline ByteWriter offset(unsigned reg, unsigned factored) {
  return ByteWriter{0x80 | reg}.uleb(factored);
}
inline ByteWriter restore(unsigned reg) {
  return {0xc0 | reg};
}
inline ByteWriter undefined(unsigned reg) {
  return ByteWriter{0x07}.uleb(reg);
}
inline ByteWriter same_value(unsigned reg) {
  return ByteWriter{0x08}.uleb(reg);
}
inline ByteWriter in_register(unsigned reg, unsigned where) {
  return ByteWriter{0x09}.uleb(reg).uleb(where);
}
inline ByteWriter remember() {
  return {0x0a};
}
inline ByteWriter restore_state() {
  return {0x0b};
}
inline ByteWriter def_cfa(unsigned reg, unsigned offset) {
  return ByteWriter{0x0c}.uleb(reg).uleb(offset);
}
inline ByteWriter def_cfa_register(unsigned reg) {
  return ByteWriter{0x0d}.uleb(reg);
}
inline ByteWriter def_cfa_offset(std::uint64_t offset) {
  return ByteWriter{0x0e}.uleb(offset);
}
inline ByteWriter def_cfa_expression(const ByteWriter& e) {
  return ByteWriter{0x0f}.block(e);
}
inline ByteWriter expression(unsigned reg, const ByteWriter& e) {
  return ByteWriter{0x10}.uleb(reg).block(e);
}
inline ByteWriter val_offset(unsigned reg, unsigned factored) {
  return ByteWriter{0x14}.uleb(reg).uleb(factored);
}
inline ByteWriter val_expression(unsigned reg, const ByteWriter& e) {
  return ByteWriter{0x16}.uleb(reg).block(e);
}
}  // namespace cfi

// DW_OP_*.
namespace op {
inline ByteWriter breg(unsigned reg, std::int64_t offset) {
  return ByteWriter{0x70 + reg}.sleb(offset);
}
inline ByteWriter deref() {
  return {0x06};
}
inline ByteWriter plus_uconst(std::uint64_t value) {
  return ByteWriter{0x23}.uleb(value);
}
inline ByteWriter lit(unsigned value) {
  return {0x30 + value};
}
inline ByteWriter plus() {
  return {0x22};
}
}  // namespace op

template <class... Parts>
ByteWriter join(const Parts&... parts) {
  ByteWriter all;
  (all.add(parts), ...);
  return all;
}

// One section, record by record.  The defaults are those of GCC on x86_64: "zR", pcrel | sdata4,
// CFA = rsp + 8, return address at CFA - 8.
class CfiBuilder {
 public:
  struct Cie {
    std::uint8_t version = 1;
    std::string augmentation = "zR";
    ByteWriter augmentation_data = {0x1b};
    unsigned code_alignment = 1;
    int data_alignment = -8;
    unsigned return_register = kRip;
    ByteWriter instructions = join(cfi::def_cfa(kRsp, 8), cfi::offset(kRip, 1));
  };

  explicit CfiBuilder(bool is_eh_frame = true, bool is_64_bit = false)
      : is_eh_frame_(is_eh_frame), is_64_bit_(is_64_bit) {}

  static Cie debug_cie() {
    Cie cie;
    cie.version = 4;
    cie.augmentation = "";
    cie.augmentation_data = {};
    return cie;
  }

  CfiBuilder& cie(const Cie& cie);
  CfiBuilder& cie() { return this->cie(is_eh_frame_ ? Cie{} : debug_cie()); }
  // Of the last CIE.  `fields`: start and size as encoded, augmentation data, instructions.
  CfiBuilder& raw_fde(const ByteWriter& fields) { return raw_fde_of(cie_offset_, fields); }
  CfiBuilder& raw_fde_of(std::size_t cie_offset, const ByteWriter& fields);
  // By the default encoding of the section.
  CfiBuilder& fde(std::uint64_t start, std::uint32_t size, const ByteWriter& instructions = {});
  CfiBuilder& terminator() {
    section_.put(std::uint32_t{0});
    return *this;
  }
  CfiBuilder& add(const ByteWriter& bytes) {
    section_.add(bytes);
    return *this;
  }
  // Address of the first byte behind the id of the next record.
  [[nodiscard]] std::uint64_t next_fields_address() const {
    return kEhFrame + section_.size() + header_bytes();
  }
  [[nodiscard]] std::size_t size() const { return section_.size(); }
  [[nodiscard]] const std::vector<std::byte>& bytes() const { return section_.bytes(); }

 private:
  [[nodiscard]] std::size_t id_bytes() const { return is_64_bit_ && !is_eh_frame_ ? 8 : 4; }
  [[nodiscard]] std::size_t header_bytes() const { return (is_64_bit_ ? 12U : 4U) + id_bytes(); }
  void record(std::uint64_t id, const ByteWriter& fields);

  bool is_eh_frame_;
  bool is_64_bit_;
  ByteWriter section_;
  std::size_t cie_offset_ = 0;
};

inline void CfiBuilder::record(std::uint64_t id, const ByteWriter& fields) {
  const std::uint64_t length = id_bytes() + fields.size();
  if (is_64_bit_) {
    section_.put(std::uint32_t{0xffffffff}).put(length);
  } else {
    section_.put(static_cast<std::uint32_t>(length));
  }
  if (id_bytes() == sizeof(std::uint64_t)) {
    section_.put(id);
  } else {
    section_.put(static_cast<std::uint32_t>(id));
  }
  section_.add(fields);
}

inline CfiBuilder& CfiBuilder::cie(const Cie& cie) {
  cie_offset_ = section_.size();
  ByteWriter fields{cie.version};
  fields.text(cie.augmentation);
  if (cie.augmentation == "eh") {
    fields.put(std::uint64_t{0});
  }
  if (cie.version == 4) {
    fields.u8({8, 0});
  }
  fields.uleb(cie.code_alignment).sleb(cie.data_alignment).uleb(cie.return_register);
  if (cie.augmentation.starts_with('z')) {
    fields.block(cie.augmentation_data);
  }
  fields.add(cie.instructions);
  record(is_eh_frame_ ? 0 : ~std::uint64_t{0}, fields);
  return *this;
}

inline CfiBuilder& CfiBuilder::raw_fde_of(std::size_t cie_offset, const ByteWriter& fields) {
  const std::size_t id_at = section_.size() + (is_64_bit_ ? 12 : 4);
  record(is_eh_frame_ ? id_at - cie_offset : cie_offset, fields);
  return *this;
}

inline CfiBuilder& CfiBuilder::fde(std::uint64_t start, std::uint32_t size,
                                   const ByteWriter& instructions) {
  ByteWriter fields;
  if (is_eh_frame_) {
    fields.put(static_cast<std::uint32_t>(start - next_fields_address())).put(size).u8({0});
  } else {
    fields.put(start).put(std::uint64_t{size});
  }
  return raw_fde(fields.add(instructions));
}

// Of the symbol table.
struct ElfFunction {
  std::string_view name;
  std::uint64_t start;
  std::uint64_t size;
};

// The file's layout: ELF header, program headers, sections, section headers.
struct ElfSpec {
  std::vector<std::byte> eh_frame = {};
  std::vector<std::byte> debug_frame = {};
  std::uint64_t debug_frame_flags = 0;  // SHF_COMPRESSED
  std::vector<std::byte> eh_frame_hdr = {};
  std::vector<std::byte> got = {};
  std::vector<std::byte> plt = {};       // at kPlt
  std::vector<std::byte> go_table = {};  // .gopclntab
  std::vector<ElfFunction> functions = {};
  bool has_sections = true;
  std::uint16_t machine = EM_X86_64;
  std::uint16_t type = ET_DYN;
  std::uint64_t code_bytes = kCodeBytes;
};

// Lays the file out.
class ElfBuilder {
 public:
  explicit ElfBuilder(const ElfSpec& spec);
  // Without an address it is not loaded.
  void add(std::string_view name, std::uint64_t address, std::uint64_t flags,
           const std::vector<std::byte>& bytes);
  void add_symbols(const std::vector<ElfFunction>& functions);
  std::vector<std::byte> finish();

 private:
  static constexpr std::size_t kSegments = 6;
  static constexpr std::uint64_t kContents = sizeof(Elf64_Ehdr) + kSegments * sizeof(Elf64_Phdr);

  [[nodiscard]] Elf64_Ehdr header() const;
  Elf64_Shdr& add_section(std::string_view name, Elf64_Word type, std::uint64_t size);

  const ElfSpec& spec_;
  ByteWriter contents_;
  ByteWriter names_;
  std::vector<Elf64_Phdr> segments_;
  std::vector<Elf64_Shdr> sections_;
};

inline ElfBuilder::ElfBuilder(const ElfSpec& spec) : spec_(spec), sections_(1) {
  names_.text("");
  segments_.push_back({PT_LOAD, PF_R | PF_X, 0, kCode, 0, 0, spec.code_bytes, 1});
}

inline Elf64_Shdr& ElfBuilder::add_section(std::string_view name, Elf64_Word type,
                                           std::uint64_t size) {
  Elf64_Shdr section{};
  section.sh_name = static_cast<Elf64_Word>(names_.size());
  section.sh_type = type;
  section.sh_offset = kContents + contents_.size();
  section.sh_size = size;
  names_.text(name);
  return sections_.emplace_back(section);
}

inline void ElfBuilder::add(std::string_view name, std::uint64_t address, std::uint64_t flags,
                            const std::vector<std::byte>& bytes) {
  if (bytes.empty()) {
    return;
  }
  Elf64_Shdr& section = add_section(name, SHT_PROGBITS, bytes.size());
  section.sh_flags = flags;
  section.sh_addr = address;
  Elf64_Phdr segment{PT_LOAD, PF_R, section.sh_offset, address, 0, bytes.size(), bytes.size(), 1};
  if (address != 0) {
    segments_.push_back(segment);
  }
  if (address == kEhFrameHeader) {
    segment.p_type = PT_GNU_EH_FRAME;
    segments_.push_back(segment);
  }
  for (const std::byte value : bytes) {
    contents_.put(value);
  }
}

inline void ElfBuilder::add_symbols(const std::vector<ElfFunction>& functions) {
  ByteWriter names{0};
  ByteWriter symbols;
  symbols.put(Elf64_Sym{});
  for (const ElfFunction& function : functions) {
    Elf64_Sym symbol{};
    symbol.st_name = static_cast<Elf64_Word>(names.size());
    symbol.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
    symbol.st_shndx = 1;
    symbol.st_value = function.start;
    symbol.st_size = function.size;
    symbols.put(symbol);
    names.text(function.name);
  }
  add(".strtab", 0, 0, names.bytes());
  add(".symtab", 0, 0, symbols.bytes());
  Elf64_Shdr& table = sections_.back();
  table.sh_type = SHT_SYMTAB;
  table.sh_entsize = sizeof(Elf64_Sym);
  table.sh_link = static_cast<Elf64_Word>(sections_.size() - 2);
  sections_[sections_.size() - 2].sh_type = SHT_STRTAB;
}

inline Elf64_Ehdr ElfBuilder::header() const {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = spec_.type;
  header.e_machine = spec_.machine;
  header.e_phoff = sizeof(Elf64_Ehdr);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = static_cast<Elf64_Half>(segments_.size());
  if (spec_.has_sections) {
    header.e_shoff = kContents + contents_.size();
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_shnum = static_cast<Elf64_Half>(sections_.size());
    header.e_shstrndx = static_cast<Elf64_Half>(sections_.size() - 1);
  }
  return header;
}

inline std::vector<std::byte> ElfBuilder::finish() {
  Elf64_Shdr& section = add_section(".shstrtab", SHT_STRTAB, 0);
  section.sh_size = names_.size();
  contents_.add(names_);
  ByteWriter file;
  file.put(header());
  segments_.resize(kSegments);  // the rest is PT_NULL
  for (const Elf64_Phdr& segment : segments_) {
    file.put(segment);
  }
  file.add(contents_);
  for (const Elf64_Shdr& each : sections_) {
    file.put(each);
  }
  return file.bytes();
}

inline std::vector<std::byte> make_elf_bytes(const ElfSpec& spec) {
  ElfBuilder builder(spec);
  builder.add(".eh_frame", kEhFrame, SHF_ALLOC, spec.eh_frame);
  builder.add(".eh_frame_hdr", kEhFrameHeader, SHF_ALLOC, spec.eh_frame_hdr);
  builder.add(".got", kGot, SHF_ALLOC, spec.got);
  builder.add(".plt", kPlt, SHF_ALLOC | SHF_EXECINSTR, spec.plt);
  builder.add(".debug_frame", 0, spec.debug_frame_flags, spec.debug_frame);
  builder.add(".gopclntab", 0, 0, spec.go_table);
  if (!spec.functions.empty()) {
    builder.add_symbols(spec.functions);
  }
  return builder.finish();
}

inline ElfFile make_elf(const ElfSpec& spec) {
  return ElfFile::from_bytes(make_elf_bytes(spec)).value();
}

// An address and what is there, in the order of the rows.
using CfiRows = std::vector<std::pair<std::uint64_t, std::string>>;

// "sp+8 ra=cfa-8", "sp+16 fp=cfa-16 ra=cfa-8", "end".
inline std::string rule_text(const unw_rule& rule) {
  const auto signed_text = [](std::int64_t value) {
    return (value < 0 ? "" : "+") + std::to_string(value);
  };
  const std::string offset = signed_text(rule.cfa_offset);
  const std::string addend = rule.cfa_addend == 0 ? "" : signed_text(rule.cfa_addend);
  std::string other = "r" + std::to_string(rule.other_register - 1);
  std::string text;
  switch (rule.cfa) {
    case UNW_CFA_FRAME_POINTER:
      return "frame pointer";
    case UNW_CFA_UNSUPPORTED:
      return "unsupported";
    case UNW_CFA_END:
      return "end";
    case UNW_CFA_SP:
      text = "sp" + offset;
      break;
    case UNW_CFA_FP:
      text = "fp" + offset;
      break;
    case UNW_CFA_OTHER:
      text = other + offset;
      break;
    case UNW_CFA_SP_DEREF:
      text = "[sp" + offset + "]" + addend;
      break;
    case UNW_CFA_FP_DEREF:
      text = "[fp" + offset + "]" + addend;
      break;
    case UNW_CFA_SP_INDEX_DEREF:
      text = "[sp+8*" + other + offset + "]" + addend;
      break;
    case UNW_CFA_FP_ANYWHERE:
      text = "fp" + offset + " anywhere";
      break;
    case UNW_CFA_PLT:
      text = "sp" + offset + " plt" + std::to_string(rule.cfa_addend);
      break;
    default:
      return "?";
  }
  const auto saved = [&](std::uint8_t kind, std::int64_t at) -> std::string {
    switch (kind) {
      case UNW_SAVED_NOT:
        return "kept";
      case UNW_SAVED_LOST:
        return "lost";
      case UNW_SAVED_CFA:
        return "cfa" + signed_text(at);
      case UNW_SAVED_SP:
        return "sp" + signed_text(at);
      case UNW_SAVED_FP:
        return "fp" + signed_text(at);
      case UNW_SAVED_OTHER:
        return other;
      default:
        return "?";
    }
  };
  if (rule.fp != UNW_SAVED_NOT) {
    text += " fp=" + saved(rule.fp, rule.fp_offset);
  }
  text += " ra=" + saved(rule.ra, rule.ra_offset);
  if (rule.spare == UNW_SPARE_KEPT) {
    text += " spare=kept";
  } else if (rule.spare != UNW_SPARE_UNKNOWN) {
    text += " spare=cfa-" + std::to_string(8 * rule.spare);
  }
  return text + (rule.is_signal_frame != 0 ? " signal" : "");
}

inline CfiRows rows_of(CallFrameInfo& info) {
  CfiRows rows;
  info.visit_rows([&](std::span<const CfiRow> part) {
    for (const CfiRow& row : part) {
      rows.emplace_back(row.address, rule_text(row.rule));
    }
    return true;
  });
  return rows;
}

}  // namespace waggle
