// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/go_functions.h"

#include <elf.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <utility>

namespace waggle {

namespace {

constexpr std::size_t kMaxTableBytes = std::size_t{512} << 20;  // of the largest programs: 60 MB
constexpr std::size_t kMaxNameBytes = 16 << 10;
constexpr std::uint32_t kMagic118 = 0xfffffff0;
constexpr std::uint32_t kMagic120 = 0xfffffff1;
constexpr std::uint8_t kWordBytes = 8;
constexpr std::uint64_t kEntryBytes = 8;      // of the list of functions: two offsets
constexpr std::uint64_t kTextInModule = 176;  // moduledata.text, behind six slices and some words
constexpr std::int64_t kMaxFrameBytes = std::numeric_limits<std::int32_t>::max() - kWordBytes;

Error malformed(std::string_view what) {
  return {Errc::malformed, std::string(".gopclntab: ").append(what)};
}

bool is_code(const ElfFile& file, std::uint64_t address) {
  return std::ranges::any_of(file.load_segments(), [&](const ElfSegment& segment) {
    return segment.is_executable() && segment.has_address(address);
  });
}

// moduledata begins with the address of the table.
std::optional<std::uint64_t> find_text_in_module(const ElfFile& file, std::uint64_t table) {
  constexpr std::size_t kMaxDataBytes = 64 << 20;
  for (const ElfSection& section : file.sections()) {
    const bool is_data = section.type == SHT_PROGBITS && (section.flags & SHF_WRITE) != 0;
    if (!is_data) {
      continue;
    }
    const auto data = file.read_section(section, kMaxDataBytes);
    if (!data) {
      continue;
    }
    for (std::size_t at = 0; at + kTextInModule + kWordBytes <= data->size(); at += kWordBytes) {
      const auto word = [&](std::size_t offset) {
        return ByteCursor(Bytes(*data).subspan(at + offset)).read<std::uint64_t>();
      };
      if (word(0) == table && is_code(file, word(kTextInModule))) {
        return word(kTextInModule);
      }
    }
  }
  return std::nullopt;
}

// runtime.step(): a value, and for how many bytes of code it holds.
struct Step {
  std::int64_t value_change;
  std::uint64_t code_bytes;
};

bool is_small(std::int64_t value) {
  return value >= -kMaxFrameBytes && value <= kMaxFrameBytes;
}

// Nothing at the end of the table.
std::optional<Step> read_step(ByteCursor& cursor, bool is_first) {
  const std::uint64_t raw = cursor.read_uleb128();
  if (raw == 0 && !is_first) {
    return std::nullopt;
  }
  const std::uint64_t magnitude = raw >> 1;
  const auto change = static_cast<std::int64_t>((raw & 1) != 0 ? ~magnitude : magnitude);
  return Step{.value_change = change, .code_bytes = cursor.read_uleb128()};
}

}  // namespace

const ElfSection* find_go_table(const ElfFile& file) {
  const ElfSection* table = file.find_section(".gopclntab");
  return table != nullptr ? table : file.find_section(".data.rel.ro.gopclntab");
}

Result<GoFunctions::Header> GoFunctions::parse_header(Bytes table) {
  ByteCursor cursor(table);
  const auto magic = cursor.read<std::uint32_t>();
  (void)cursor.take(2);
  const auto instruction_bytes = cursor.read<std::uint8_t>();
  const auto word_bytes = cursor.read<std::uint8_t>();
  if (magic != kMagic118 && magic != kMagic120) {
    return fail(Errc::unsupported, ".gopclntab of a Go before 1.18, or of none");
  }
  if (instruction_bytes != 1 || word_bytes != kWordBytes) {
    return fail(Errc::unsupported, ".gopclntab of another processor");
  }
  Header header{};
  header.function_count = cursor.read<std::uint64_t>();
  (void)cursor.read<std::uint64_t>();  // of files
  header.text_start = cursor.read<std::uint64_t>();
  header.names = cursor.read<std::uint64_t>();
  (void)cursor.read<std::uint64_t>();  // compilation units
  (void)cursor.read<std::uint64_t>();  // files
  header.values = cursor.read<std::uint64_t>();
  header.functions = cursor.read<std::uint64_t>();
  if (!cursor.ok() || header.function_count > table.size() / kEntryBytes) {
    return std::unexpected(malformed("the header"));
  }
  return header;
}

// Linkers that are not Go's put code of their own in front; where the address is left to
// relocations, it is only in the process.
Result<std::uint64_t> GoFunctions::find_text(const ElfFile& file, const ElfSection& section,
                                             const Header& header) {
  if (header.text_start != 0) {
    return header.text_start;
  }
  if (const auto text = find_text_in_module(file, section.address)) {
    return *text;
  }
  const ElfSection* text = file.find_section(".text");
  if (text == nullptr) {
    return std::unexpected(malformed("no .text"));
  }
  return text->address;
}

Result<> GoFunctions::read_functions(const ElfFile& file, const Header& header,
                                     std::uint64_t text) {
  const Bytes table(bytes_);
  const auto names = checked_slice(
      table, header.names, table.size() - std::min<std::uint64_t>(header.names, table.size()));
  const auto list = checked_slice(table, header.functions,
                                  header.function_count * kEntryBytes + sizeof(std::uint32_t));
  if (!names || !list || header.values > table.size()) {
    return std::unexpected(malformed("an offset of the header"));
  }
  values_ = table.subspan(static_cast<std::size_t>(header.values));
  functions_.reserve(static_cast<std::size_t>(header.function_count));
  ByteCursor cursor(*list);
  std::uint64_t start = text + cursor.read<std::uint32_t>();
  for (std::uint64_t i = 0; i < header.function_count; ++i) {
    const std::uint64_t record = header.functions + cursor.read<std::uint32_t>();
    const std::uint64_t end = text + cursor.read<std::uint32_t>();
    const std::uint64_t begin = std::exchange(start, end);
    // struct _func: entry, name, bytes of arguments, deferred call, stack sizes, ...
    constexpr std::uint64_t kRecordBytes = 20;
    const auto bytes = checked_slice(table, record, kRecordBytes);
    if (!bytes || end < begin) {
      return std::unexpected(malformed("a function"));
    }
    ByteCursor fields(*bytes);
    (void)fields.read<std::uint32_t>();
    const auto name = checked_string(*names, fields.read<std::uint32_t>());
    (void)fields.read<std::uint64_t>();
    const auto stack_sizes = fields.read<std::uint32_t>();
    if (!name) {
      return std::unexpected(malformed("a function's name"));
    }
    // The linker's own marks have no stack sizes.
    if (begin != end && stack_sizes != 0 && is_code(file, begin)) {
      functions_.push_back({.start = begin,
                            .end = end,
                            .name = name->substr(0, kMaxNameBytes),
                            .stack_sizes = stack_sizes});
    }
  }
  if (functions_.empty()) {
    return std::unexpected(malformed("no function in the file's code"));
  }
  return {};
}

Result<GoFunctions> GoFunctions::read(const ElfFile& file) {
  const ElfSection* section = find_go_table(file);
  if (section == nullptr) {
    return fail(Errc::not_found, "no .gopclntab");
  }
  if (file.machine() != EM_X86_64) {
    return fail(Errc::unsupported, ".gopclntab of another processor");
  }
  GoFunctions go;
  go.bytes_ = TRY(file.read_section(*section, kMaxTableBytes));
  const Header header = TRY(parse_header(go.bytes_));
  const std::uint64_t text = TRY(find_text(file, *section, header));
  TRY(go.read_functions(file, header, text));
  return go;
}

bool GoFunctions::read_rows(const Function& function, std::vector<CfiRow>& rows) const {
  rows.clear();
  if (function.stack_sizes == 0 || function.stack_sizes >= values_.size()) {
    return false;
  }
  ByteCursor cursor(values_.subspan(function.stack_sizes));
  std::int64_t size = -1;
  std::uint64_t address = function.start;
  while (address < function.end) {
    const auto step = read_step(cursor, rows.empty());
    if (!step && cursor.ok()) {
      break;  // what follows is padding
    }
    // Bounded first: no sum of two can wrap.
    const bool is_sane = cursor.ok() && is_small(step->value_change) &&
                         size + step->value_change >= -kWordBytes &&
                         size + step->value_change <= kMaxFrameBytes && step->code_bytes != 0;
    if (!is_sane) {
      rows.clear();
      return false;
    }
    size += step->value_change;
    CfiRow row{address, fixed_rule(UNW_CFA_SP)};
    row.rule.cfa_offset = static_cast<std::int32_t>(size) + kWordBytes;
    row.rule.ra = UNW_SAVED_CFA;
    row.rule.ra_offset = -std::int16_t{kWordBytes};
    rows.push_back(row);
    address += std::min(step->code_bytes, function.end - address);
  }
  return true;
}

}  // namespace waggle
