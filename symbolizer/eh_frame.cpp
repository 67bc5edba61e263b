// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/eh_frame.h"

#include <elf.h>
#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

#include "symbolizer/plt_rules.h"

namespace waggle {

namespace {

// The largest on a Debian system (clang-19's LLVM) has 6 MB, Chrome some 20.  All of it is in
// memory while a table is made, and twice as much for its functions.
constexpr std::size_t kMaxSectionBytes = 64 << 20;
// Linkers align functions to 16 bytes.
constexpr std::uint64_t kPaddingBytes = 16;

constexpr std::uint64_t kMaxSpan = std::numeric_limits<std::uint32_t>::max();

std::uint64_t address_of_section(const ElfFile& file, std::string_view name) {
  const ElfSection* section = file.find_section(name);
  return section == nullptr ? 0 : section->address;
}

CfiSectionInput make_input(const ElfFile& file, const CfiRegisters& registers,
                           std::uint64_t address, std::vector<std::byte> bytes) {
  CfiSectionInput input;
  input.bytes = std::move(bytes);
  input.registers = registers;
  input.bases.section = address;
  input.bases.text = address_of_section(file, ".text");
  input.bases.data = address_of_section(file, ".got");
  input.bases.read_word = [&file](std::uint64_t at) -> std::optional<std::uint64_t> {
    const auto word = file.read_address(at, sizeof(std::uint64_t));
    return word ? std::optional(ByteCursor(*word).read<std::uint64_t>()) : std::nullopt;
  };
  return input;
}

// The address of .eh_frame, which .eh_frame_hdr begins with (LSB 5.0 Core, "The .eh_frame_hdr
// section").
Result<std::uint64_t> read_header(const ElfFile& file, std::uint64_t header_address) {
  constexpr std::size_t kHeaderBytes = 64;  // more than its fields take
  const auto bytes = TRY(file.read_segment_from(header_address, kHeaderBytes));
  ByteCursor cursor(bytes);
  const auto version = cursor.read<std::uint8_t>();
  const auto encoding = cursor.read<std::uint8_t>();
  (void)cursor.read<std::uint16_t>();  // encodings of the search table
  const CfiBases bases{
      .section = header_address, .text = 0, .data = header_address, .read_word = {}};
  const auto address = read_cfi_pointer(cursor, bytes.size() - cursor.remaining(), encoding, bases);
  if (!cursor.ok() || version != 1 || !address) {
    return fail(Errc::malformed, ".eh_frame_hdr");
  }
  return *address;
}

// The section .eh_frame, or the bytes that .eh_frame_hdr leads to; nothing when there is neither.
Result<std::optional<CfiSectionInput>> read_eh_frame(const ElfFile& file,
                                                     const CfiRegisters& registers) {
  if (const ElfSection* section = file.find_section(".eh_frame")) {
    if (section->type == SHT_NOBITS) {
      return std::nullopt;
    }
    return make_input(file, registers, section->address,
                      TRY(file.read_section(*section, kMaxSectionBytes)));
  }
  if (!file.eh_frame_header()) {
    return std::nullopt;
  }
  const std::uint64_t address = TRY(read_header(file, *file.eh_frame_header()));
  CfiSectionInput input =
      make_input(file, registers, address, TRY(file.read_segment_from(address, kMaxSectionBytes)));
  input.ends_at_terminator = true;
  return input;
}

Result<std::optional<CfiSectionInput>> read_debug_frame(const ElfFile& file,
                                                        const CfiRegisters& registers) {
  const ElfSection* section = file.find_section(".debug_frame");
  if (section == nullptr || section->type == SHT_NOBITS) {
    return std::nullopt;
  }
  CfiSectionInput input =
      make_input(file, registers, 0, TRY(file.read_section(*section, kMaxSectionBytes)));
  input.is_eh_frame = false;
  return input;
}

using InputReader = Result<std::optional<CfiSectionInput>> (*)(const ElfFile&, const CfiRegisters&);

}  // namespace

Result<CallFrameInfo> CallFrameInfo::read(const ElfFile& file, const CfiReading& reading) {
  auto registers = cfi_registers_of(file.machine());
  if (!registers) {
    return fail(Errc::unsupported, fmt::format("call frames of ELF machine {}", file.machine()));
  }
  if (!reading.follows_spare) {
    registers->spare = kNoRegister;
  }
  if (file.type() != ET_EXEC && file.type() != ET_DYN) {
    return fail(Errc::unsupported, fmt::format("call frames of ELF type {}", file.type()));
  }
  CallFrameInfo info;
  TRY(info.read_code_range(file));
  const auto add = [&](std::string_view name, InputReader read_input) -> Result<> {
    auto input = read_input(file, *registers);
    if (!input) {
      return add_context(name, std::move(input).error());
    }
    if (!*input) {
      return {};
    }
    Result<> added = info.add_section(**std::move(input));
    return added ? added : add_context(name, std::move(added).error());
  };
  TRY(add(".eh_frame", read_eh_frame));
  TRY(add(".debug_frame", read_debug_frame));
  info.add_functions(file);
  if (reading.puts_go_right && file.find_section(".debug_frame") == nullptr) {
    info.add_go_functions(file);
  }
  if (info.functions_.empty()) {
    return fail(Errc::not_found, "no call frame information");
  }
  info.add_stubs(file);
  if (reading.puts_go_right) {
    info.go_ = GoRules::find(file, info.go_functions_ ? &*info.go_functions_ : nullptr);
  }
  return info;
}

Result<> CallFrameInfo::read_code_range(const ElfFile& file) {
  lowest_address_ = std::numeric_limits<std::uint64_t>::max();
  for (const ElfSegment& segment : file.load_segments()) {
    if (segment.is_executable()) {
      lowest_address_ = std::min(lowest_address_, segment.address);
      end_address_ = std::max(end_address_, segment.address + segment.memory_size);
    }
  }
  if (end_address_ <= lowest_address_) {
    return fail(Errc::not_found, "no executable segment");
  }
  if (end_address_ - lowest_address_ > kMaxSpan) {
    return fail(Errc::unsupported, "code that spans more than 4 GiB");
  }
  return {};
}

Result<> CallFrameInfo::add_section(CfiSectionInput input) {
  sections_.push_back(TRY(CfiSection::read(std::move(input))));
  malformed_count_ += sections_.back().malformed_count();
  return {};
}

// Whether one of the first `count` functions, sorted and without overlaps, has the address.
bool CallFrameInfo::is_covered(std::uint64_t address, std::size_t count) const {
  const auto end = functions_.begin() + static_cast<std::ptrdiff_t>(count);
  const auto after = std::upper_bound(
      functions_.begin(), end, address,
      [](std::uint64_t value, const Function& f) { return value < f.entry.start; });
  return after != functions_.begin() && address < std::prev(after)->end;
}

// Sorts the functions and cuts their overlaps.  Those before `first` are sorted already.
void CallFrameInfo::settle(std::size_t first) {
  const auto starts_before = [](const Function& a, const Function& b) {
    return a.entry.start < b.entry.start;
  };
  const auto unsettled =
      functions_.begin() + static_cast<std::ptrdiff_t>(first == 0 ? 0 : first - 1);
  if (!std::is_sorted(unsettled, functions_.end(), starts_before)) {
    std::ranges::stable_sort(functions_, starts_before);
  }
  const auto repeated = std::ranges::unique(
      functions_, {}, [](const Function& function) { return function.entry.start; });
  functions_.erase(repeated.begin(), repeated.end());
  for (std::size_t i = 0; i + 1 < functions_.size(); ++i) {
    functions_[i].end = std::min(functions_[i].end, functions_[i + 1].entry.start);
  }
}

void CallFrameInfo::add_functions(const ElfFile& file) {
  std::vector<ElfSegment> code;
  std::ranges::copy_if(file.load_segments(), std::back_inserter(code), &ElfSegment::is_executable);
  for (std::uint32_t number = 0; number < sections_.size(); ++number) {
    const std::size_t first = functions_.size();
    functions_.reserve(first + sections_[number].functions().size());
    for (const CfiFunction& entry : sections_[number].functions()) {
      const bool is_code = std::ranges::any_of(
          code, [&](const ElfSegment& segment) { return segment.has_address(entry.start); });
      outside_count_ += is_code ? 0U : 1U;
      if (is_code && !is_covered(entry.start, first)) {
        functions_.push_back({entry, std::min(entry.end, end_address_), number});
      }
    }
    settle(first);
  }
}

void CallFrameInfo::add_go_functions(const ElfFile& file) {
  auto go = GoFunctions::read(file);
  if (!go) {
    return;  // not of Go, or of one whose table says nothing to us: the sections count alone
  }
  go_functions_ = *std::move(go);
  const std::size_t first = functions_.size();
  const auto& added = go_functions_->functions();
  for (std::uint32_t i = 0; i < added.size(); ++i) {
    if (added[i].start >= lowest_address_ && added[i].start < end_address_ &&
        !is_covered(added[i].start, first)) {
      const CfiFunction entry{.start = added[i].start,
                              .end = added[i].end,
                              .instructions = 0,
                              .instructions_bytes = 0,
                              .cie = i};
      functions_.push_back({entry, std::min(added[i].end, end_address_), kGo});
    }
  }
  settle(first);
}

void CallFrameInfo::add_stubs(const ElfFile& file) {
  const std::size_t first = functions_.size();
  for (const PltRule& stubs : find_plt_rules(file)) {
    if (stubs.start >= lowest_address_ && stubs.start < end_address_ &&
        !is_covered(stubs.start, first)) {
      const CfiFunction entry{.start = stubs.start,
                              .end = stubs.end,
                              .instructions = 0,
                              .instructions_bytes = 0,
                              .cie = static_cast<std::uint32_t>(stubs_.size())};
      functions_.push_back({entry, std::min(stubs.end, end_address_), kStubs});
      stubs_.push_back(stubs.rule);
    }
  }
  settle(first);
}

std::size_t CallFrameInfo::section_bytes() const {
  std::size_t bytes = 0;
  for (const CfiSection& section : sections_) {
    bytes += section.size_bytes();
  }
  bytes += go_functions_ ? go_functions_->size_bytes() : 0;
  return bytes;
}

// The rows of one function; false when the sink has enough.
bool CallFrameInfo::send_rows(const Function& function, CfiProgram& program, const Sink& sink) {
  CfiRow row{function.entry.start, fixed_rule(UNW_CFA_UNSUPPORTED)};
  if (function.section == kStubs) {
    row.rule = stubs_[function.entry.cie];
  } else if (function.section == kGo) {
    if (go_functions_->read_rows(go_functions_->functions()[function.entry.cie], program.rows())) {
      go_.put_right(function.entry.start, function.end, program.rows());
      return sink(program.rows());
    }
    ++malformed_count_;
  } else if (sections_[function.section].run(function.entry, function.end, program)) {
    go_.put_right(function.entry.start, function.end, program.rows());
    return sink(program.rows());
  } else {
    ++malformed_count_;
  }
  return sink(std::span(&row, 1));
}

void CallFrameInfo::visit_rows(const Sink& sink) {
  constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
  CfiProgram program;
  const auto send_gap = [&](std::uint64_t address) {
    const CfiRow row{address, fixed_rule(UNW_CFA_FRAME_POINTER)};
    return sink(std::span(&row, 1));
  };
  if (functions_.front().entry.start > lowest_address_ && !send_gap(lowest_address_)) {
    return;
  }
  for (std::size_t i = 0; i < functions_.size(); ++i) {
    const Function& function = functions_[i];
    if (!send_rows(function, program, sink)) {
      return;
    }
    const std::uint64_t next = i + 1 < functions_.size() ? functions_[i + 1].entry.start : kNever;
    if (next - function.end >= kPaddingBytes && !send_gap(function.end)) {
      return;
    }
  }
}

}  // namespace waggle
