// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/cfi_section.h"

#include <fmt/core.h>

#include <limits>
#include <string_view>
#include <utility>

namespace waggle {

namespace {

// Of 32 bytes each.  The largest library of a Debian system has some 120,000.
constexpr std::size_t kMaxFunctions = 2 << 20;
// Of some 250 bytes.  Linkers join equal ones in .eh_frame; .debug_frame has one for each object.
constexpr std::size_t kMaxCies = 128 << 10;

constexpr std::uint32_t kExtendedLength = 0xffffffff;
constexpr std::uint32_t kDebugCieId32 = 0xffffffff;
constexpr std::uint64_t kDebugCieId64 = 0xffffffffffffffff;

// The NUL-terminated string at the cursor.
std::optional<std::string_view> read_string(ByteCursor& cursor) {
  ByteCursor rest = cursor;
  const Bytes bytes = rest.take(rest.remaining());
  const auto text = checked_string(bytes, 0);
  if (text) {
    (void)cursor.take(text->size() + 1);
  }
  return text;
}

}  // namespace

Result<CfiSection> CfiSection::read(CfiSectionInput input) {
  if (input.bytes.size() > std::numeric_limits<std::uint32_t>::max()) {
    return fail(Errc::exhausted, fmt::format("{} bytes", input.bytes.size()));
  }
  CfiSection section(std::move(input));
  TRY(section.read_functions());
  return section;
}

Result<CfiSection::Record> CfiSection::read_record(std::uint64_t offset) const {
  const Bytes bytes = input_.bytes;
  ByteCursor cursor(bytes.subspan(offset));
  std::uint64_t length = cursor.read<std::uint32_t>();
  const bool is_64_bit = length == kExtendedLength;
  if (is_64_bit) {
    length = cursor.read<std::uint64_t>();
  }
  const std::uint64_t id_offset = bytes.size() - cursor.remaining();
  const Bytes body = cursor.take(length);
  if (!cursor.ok()) {
    return fail(Errc::malformed, fmt::format("the record at {:#x} passes the end", offset));
  }
  Record record{.id_offset = id_offset,
                .id = 0,
                .end = id_offset + length,
                .fields = {},
                .is_terminator = length == 0,
                .is_cie = false};
  if (record.is_terminator) {
    return record;
  }
  // The LSB says 4 bytes in .eh_frame whatever the length, and so does LLVM; readelf takes 8.
  ByteCursor fields(body);
  const bool is_wide = is_64_bit && !input_.is_eh_frame;
  record.id = is_wide ? fields.read<std::uint64_t>() : fields.read<std::uint32_t>();
  if (!fields.ok()) {
    return fail(Errc::malformed, fmt::format("the record at {:#x} has no CIE id", offset));
  }
  record.is_cie =
      input_.is_eh_frame ? record.id == 0 : record.id == (is_wide ? kDebugCieId64 : kDebugCieId32);
  record.fields = fields.take(fields.remaining());
  return record;
}

Result<> CfiSection::read_functions() {
  for (std::uint64_t offset = 0; offset < input_.bytes.size();) {
    constexpr std::uint64_t kLengthBytes = 4;
    if (input_.bytes.size() - offset < kLengthBytes) {
      break;  // padding
    }
    const Record record = TRY(read_record(offset));
    if (record.is_terminator && input_.ends_at_terminator) {
      break;
    }
    if (!record.is_terminator && !record.is_cie) {
      TRY(read_function(record));
    }
    offset = record.end;
  }
  return {};
}

std::uint64_t CfiSection::position_of(const ByteCursor& cursor, const Record& record) const {
  return record.end - cursor.remaining();
}

Result<> CfiSection::read_function(const Record& record) {
  const std::uint64_t cie_offset = input_.is_eh_frame ? record.id_offset - record.id : record.id;
  if (cie_offset != last_cie_offset_) {
    last_cie_ = TRY(find_cie(cie_offset));
    last_cie_offset_ = cie_offset;
  }
  const Cie& cie = cies_[last_cie_];
  ByteCursor cursor(record.fields);
  std::optional<std::uint64_t> start;
  std::optional<std::uint64_t> size;
  if (cie.is_valid) {
    (void)cursor.take(cie.segment_bytes);
    start = read_cfi_pointer(cursor, position_of(cursor, record), cie.encoding, input_.bases);
    size = read_cfi_size(cursor, cie.encoding);
    if (cie.has_augmentation_data) {
      (void)cursor.take(cursor.read_uleb128());
    }
  }
  std::uint64_t end = 0;
  if (!cursor.ok() || !start || !size || __builtin_add_overflow(*start, *size, &end)) {
    ++malformed_count_;
    return {};
  }
  if (*size == 0) {
    return {};
  }
  if (functions_.size() == kMaxFunctions) {
    return fail(Errc::exhausted, fmt::format("more than {} functions", kMaxFunctions));
  }
  functions_.push_back({*start, end, static_cast<std::uint32_t>(position_of(cursor, record)),
                        static_cast<std::uint32_t>(cursor.remaining()), last_cie_});
  return {};
}

// The number of the CIE at `offset`, which may be an invalid one.
Result<std::uint32_t> CfiSection::find_cie(std::uint64_t offset) {
  const auto [known, is_new] =
      cie_of_offset_.try_emplace(offset, static_cast<std::uint32_t>(cies_.size()));
  if (!is_new) {
    return known->second;
  }
  if (cies_.size() == kMaxCies) {
    return fail(Errc::exhausted, fmt::format("more than {} CIEs", kMaxCies));
  }
  Cie& cie = cies_.emplace_back();
  if (offset < input_.bytes.size()) {
    const auto record = read_record(offset);
    if (record && record->is_cie) {
      // Each is read once; those of an honest section do not overlap.
      cie_bytes_ += record->fields.size();
      if (cie_bytes_ > input_.bytes.size()) {
        return fail(Errc::malformed, "CIEs that overlap");
      }
      cie.is_valid = read_cie(*record, cie);
    }
  }
  return static_cast<std::uint32_t>(cies_.size() - 1);
}

bool CfiSection::read_cie(const Record& record, Cie& cie) {
  constexpr std::uint8_t kAddressBytes = 8;
  ByteCursor cursor(record.fields);
  const auto version = cursor.read<std::uint8_t>();
  const auto letters = read_string(cursor);
  if (!letters || (version != 1 && version != 3 && version != 4)) {
    return false;
  }
  constexpr std::string_view kOldGcc = "eh";
  if (*letters == kOldGcc) {
    (void)cursor.read<std::uint64_t>();  // a pointer to a table of GCC 2
  }
  if (version == 4) {
    const auto address_bytes = cursor.read<std::uint8_t>();
    cie.segment_bytes = cursor.read<std::uint8_t>();
    if (address_bytes != kAddressBytes) {
      return false;
    }
  }
  CfiContext& context = cie.context;
  context.registers = input_.registers;
  context.code_alignment = cursor.read_uleb128();
  context.data_alignment = cursor.read_sleb128();
  context.return_register = version == 1 ? cursor.read<std::uint8_t>() : cursor.read_uleb128();
  if (letters->starts_with('z')) {
    cie.has_augmentation_data = true;
    ByteCursor data(cursor.take(cursor.read_uleb128()));
    if (!read_augmentation(letters->substr(1), data, position_of(cursor, record), cie)) {
      return false;
    }
  } else if (!letters->empty() && *letters != kOldGcc) {
    return false;  // what follows may be anything
  }
  const Bytes instructions = cursor.take(cursor.remaining());
  return cursor.ok() && program_.run_initial(instructions, context);
}

bool CfiSection::read_augmentation(std::string_view letters, ByteCursor& cursor, std::uint64_t end,
                                   Cie& cie) const {
  for (const char letter : letters) {
    switch (letter) {
      case 'R':
        cie.encoding = cursor.read<std::uint8_t>();
        break;
      case 'L':
        (void)cursor.read<std::uint8_t>();
        break;
      case 'P': {
        // The personality is of no use here, but what follows lies behind it.
        const auto encoding = cursor.read<std::uint8_t>();
        if (encoding != kCfiOmitted &&
            !skip_cfi_pointer(cursor, end - cursor.remaining(), encoding, input_.bases)) {
          return false;
        }
        break;
      }
      case 'S':
        cie.context.is_signal_frame = true;
        break;
      case 'B':  // AArch64: return addresses are signed with the B key
      case 'G':  // AArch64: the frame has tagged memory
        break;
      default:
        return cursor.ok();
    }
  }
  return cursor.ok();
}

bool CfiSection::run(const CfiFunction& function, std::uint64_t end, CfiProgram& program) const {
  const Cie& cie = cies_[function.cie];
  const CfiAddresses addresses{input_.bases, cie.encoding,
                               std::uint64_t{function.instructions} + function.instructions_bytes};
  const Bytes instructions =
      Bytes(input_.bytes).subspan(function.instructions, function.instructions_bytes);
  return program.run(instructions, cie.context, function.start, end, addresses);
}

}  // namespace waggle
