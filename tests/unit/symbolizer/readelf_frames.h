// SPDX-License-Identifier: Apache-2.0
// Our rows of a file against those of `readelf --debug-dump=frames-interp`, each by each.
//
// What readelf (binutils 2.40) prints, and where it is not the last word:
// - A function without instructions of its own has no row: that of its CIE counts.
// - Rows at one address are all printed; the last one counts.  A row at or behind the function's
//   end is printed, too; it counts for nothing.
// - "u" stands for undefined and for not mentioned.  Of the return address it is undefined (each
//   CIE of x86_64 mentions it), of rbp not mentioned: DW_CFA_undefined of rbp reads alike.
// - Expressions are "exp": which one is the business of tests of its own.
// - Functions at addresses without code (discarded ones in .debug_frame) are printed; we drop them.
// - In a 64-bit record of .eh_frame it takes a CIE id of 8 bytes; the LSB says 4, and nobody makes
//   such records.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "bpf/abi/unwind.h"
#include "symbolizer/eh_frame.h"
#include "tests/unit/symbolizer/fixture.h"

namespace waggle {

// The cells of a row; empty where the table has no such column.
struct ReadelfRow {
  std::uint64_t address = 0;
  std::string cfa;
  std::string fp;
  std::string sp;
  std::string ra;
};

struct ReadelfFunction {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::size_t first_row = 0;
  std::size_t row_count = 0;
};

struct ReadelfFrames {
  std::vector<ReadelfFunction> functions;  // sorted, without overlaps
  std::vector<ReadelfRow> rows;
};

// Takes readelf's text apart, line by line.
class ReadelfParser {
 public:
  void add_line(std::string_view line);
  ReadelfFrames finish();

 private:
  // "r5 (rdi)" is one word, rdi.
  static std::vector<std::string_view> split(std::string_view line) {
    std::vector<std::string_view> words;
    for (std::size_t at = 0; (at = line.find_first_not_of(" \n", at)) != std::string_view::npos;) {
      const std::size_t end = std::min(line.find_first_of(" \n", at), line.size());
      const std::string_view word = line.substr(at, end - at);
      if (word.starts_with('(') && word.ends_with(')') && !words.empty()) {
        words.back() = word.substr(1, word.size() - 2);
      } else {
        words.push_back(word);
      }
      at = end;
    }
    return words;
  }
  static std::optional<std::uint64_t> hex(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                    : std::nullopt;
  }
  void add_record(const std::vector<std::string_view>& words);
  void add_row(const std::vector<std::string_view>& words);
  void end_record();

  struct Section {
    std::vector<ReadelfFunction> functions;
    std::map<std::uint64_t, ReadelfRow> cies;  // by offset: the row they end with
  };
  std::vector<Section> sections_;
  std::vector<ReadelfRow> rows_;
  std::vector<std::string> columns_;
  bool is_cie_ = false;
  bool is_function_ = false;
  std::uint64_t cie_ = 0;
};

inline void ReadelfParser::add_line(std::string_view line) {
  if (line.starts_with("Contents of the ")) {
    end_record();
    sections_.emplace_back();
    return;
  }
  const std::vector<std::string_view> words = split(line);
  if (words.empty() || sections_.empty()) {
    return;
  }
  if (words.front() == "LOC") {
    columns_.assign(words.begin(), words.end());
  } else if (words.size() > 3 && (words[3] == "CIE" || words[3] == "FDE")) {
    add_record(words);
  } else if ((is_cie_ || is_function_) && words.front().size() == 16) {
    add_row(words);
  }
}

// "00000018 0000000000000024 0000001c FDE cie=00000000 pc=0000000000001020..0000000000001030"
inline void ReadelfParser::add_record(const std::vector<std::string_view>& words) {
  end_record();
  columns_.clear();
  is_cie_ = words[3] == "CIE";
  if (is_cie_) {
    cie_ = hex(words[0]).value();
    return;
  }
  is_function_ = true;
  cie_ = hex(words[4].substr(words[4].find('=') + 1)).value();
  const std::string_view range = words[5].substr(words[5].find('=') + 1);
  const std::size_t dots = range.find("..");
  sections_.back().functions.push_back({.start = hex(range.substr(0, dots)).value(),
                                        .end = hex(range.substr(dots + 2)).value(),
                                        .first_row = rows_.size(),
                                        .row_count = 0});
}

inline void ReadelfParser::add_row(const std::vector<std::string_view>& words) {
  const auto address = hex(words.front());
  if (!address || words.size() != columns_.size()) {
    ADD_FAILURE() << "readelf: " << words.size() << " cells for " << columns_.size() << " columns";
    return;
  }
  ReadelfRow row{.address = *address, .cfa = {}, .fp = {}, .sp = {}, .ra = {}};
  for (std::size_t i = 1; i < words.size(); ++i) {
    std::string* cell = columns_[i] == "CFA"   ? &row.cfa
                        : columns_[i] == "rbp" ? &row.fp
                        : columns_[i] == "rsp" ? &row.sp
                        : columns_[i] == "ra"  ? &row.ra
                                               : nullptr;
    if (cell != nullptr) {
      *cell = words[i];
    }
  }
  if (is_cie_) {
    sections_.back().cies[cie_] = row;
  } else {
    rows_.push_back(std::move(row));
  }
}

inline void ReadelfParser::end_record() {
  if (is_function_) {
    Section& section = sections_.back();
    ReadelfFunction& function = section.functions.back();
    if (rows_.size() == function.first_row) {
      ReadelfRow row = section.cies[cie_];
      row.address = function.start;
      rows_.push_back(std::move(row));
    }
    function.row_count = rows_.size() - function.first_row;
  }
  is_function_ = false;
  is_cie_ = false;
}

// By the rules of symbolizer/eh_frame.h; .eh_frame is printed first.
inline ReadelfFrames ReadelfParser::finish() {
  end_record();
  std::vector<ReadelfFunction> all;
  const auto starts_after = [](std::uint64_t address, const ReadelfFunction& f) {
    return address < f.start;
  };
  for (const Section& section : sections_) {
    const std::vector<ReadelfFunction> before = all;
    for (const ReadelfFunction& function : section.functions) {
      const auto after =
          std::upper_bound(before.begin(), before.end(), function.start, starts_after);
      const bool is_covered = after != before.begin() && function.start < std::prev(after)->end;
      if (function.start != function.end && !is_covered) {
        all.push_back(function);
      }
    }
    std::ranges::stable_sort(all, {}, &ReadelfFunction::start);
    const auto repeated = std::ranges::unique(all, {}, &ReadelfFunction::start);
    all.erase(repeated.begin(), repeated.end());
    for (std::size_t i = 0; i + 1 < all.size(); ++i) {
      all[i].end = std::min(all[i].end, all[i + 1].start);
    }
  }
  return {std::move(all), std::move(rows_)};
}

inline ReadelfFrames read_readelf_frames(const std::string& path) {
  // No separate debug files: their .debug_frame would be printed, too.
  const std::string command =
      "readelf --debug-dump=no-follow-links --debug-dump=frames-interp '" + path + "' 2>/dev/null";
  FILE* pipe = ::popen(command.c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  ReadelfParser parser;
  char* line = nullptr;
  std::size_t capacity = 0;
  for (ssize_t size = 0; (size = ::getline(&line, &capacity, pipe)) > 0;) {
    parser.add_line({line, static_cast<std::size_t>(size)});
  }
  std::free(line);       // NOLINT(cppcoreguidelines-no-malloc): getline's
  (void)::pclose(pipe);  // readelf warns by its status, too
  return parser.finish();
}

struct FrameComparison {
  std::size_t rows = 0;                       // of readelf, compared
  std::size_t expressions = 0;                // "exp": we have a form for it
  std::size_t unsupported = 0;                // readelf shows a rule, ours is UNW_CFA_UNSUPPORTED
  std::vector<std::string> unsupported_rows;  // the first few
  std::vector<std::string> mismatches;        // the first few
  std::size_t mismatch_count = 0;
};

class FrameComparer {
 public:
  FrameComparison compare(const ElfFile& file, const ReadelfFrames& theirs);

 private:
  static constexpr std::size_t kShown = 10;

  static std::string register_name(unsigned number) {
    static constexpr std::array<std::string_view, 17> kNames = {
        "rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8",
        "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rip"};
    return std::string(number < kNames.size() ? kNames[number] : "?");
  }
  static std::string sum(std::string_view base, std::int64_t offset) {
    return std::string(base) + (offset < 0 ? "" : "+") + std::to_string(offset);
  }
  static std::string cfa_text(const unw_rule& rule);
  static bool is_same_saved(std::uint8_t saved, std::int64_t offset, const unw_rule& rule,
                            std::string_view cell);
  static bool is_same(const unw_rule& rule, const ReadelfRow& row);
  // sp that is not the CFA, as in longjmp and setcontext.
  static bool needs_more_than_a_rule(const ReadelfRow& row) {
    return row.sp.starts_with('r') || row.sp.starts_with('c') || row.sp == "vexp";
  }
  void compare_row(const unw_rule& rule, const ReadelfRow& row);
  void complain(const unw_rule& rule, const ReadelfRow& row, std::vector<std::string>& list);

  FrameComparison result_;
};

inline std::string FrameComparer::cfa_text(const unw_rule& rule) {
  switch (rule.cfa) {
    case UNW_CFA_SP:
      return sum("rsp", rule.cfa_offset);
    case UNW_CFA_FP:
      return sum("rbp", rule.cfa_offset);
    case UNW_CFA_OTHER:
      return sum(register_name(rule.other_register - 1), rule.cfa_offset);
    case UNW_CFA_SP_DEREF:
    case UNW_CFA_FP_DEREF:
    case UNW_CFA_SP_INDEX_DEREF:
    case UNW_CFA_PLT:
      return "exp";
    default:
      return "(none)";
  }
}

inline bool FrameComparer::is_same_saved(std::uint8_t saved, std::int64_t offset,
                                         const unw_rule& rule, std::string_view cell) {
  switch (saved) {
    case UNW_SAVED_NOT:
      return cell.empty() || cell == "u" || cell == "s";
    case UNW_SAVED_CFA:
      return cell == sum("c", offset);
    case UNW_SAVED_SP:
    case UNW_SAVED_FP:
      return cell == "exp";
    case UNW_SAVED_OTHER:
      return cell == register_name(rule.other_register - 1);
    default:  // lost: what we have no field for
      return cell == "u" || cell == "exp" || cell == "vexp" || cell.starts_with("v") ||
             cell.starts_with("r");
  }
}

inline bool FrameComparer::is_same(const unw_rule& rule, const ReadelfRow& row) {
  if (rule.cfa == UNW_CFA_END) {
    return row.ra == "u";
  }
  const bool is_sp_cfa =
      row.sp.empty() || row.sp == "u" || row.sp == "s" || (row.sp == "exp" && row.cfa == "exp");
  return cfa_text(rule) == row.cfa && is_sp_cfa &&
         is_same_saved(rule.ra, rule.ra_offset, rule, row.ra) &&
         is_same_saved(rule.fp, rule.fp_offset, rule, row.fp);
}

inline void FrameComparer::complain(const unw_rule& rule, const ReadelfRow& row,
                                    std::vector<std::string>& list) {
  if (list.size() < kShown) {
    char address[32];
    (void)std::snprintf(address, sizeof(address), "%#lx", static_cast<unsigned long>(row.address));
    list.push_back(std::string(address) + ": readelf CFA=" + row.cfa + " rbp=" + row.fp +
                   " rsp=" + row.sp + " ra=" + row.ra + "; ours CFA=" + cfa_text(rule) + " (" +
                   std::to_string(rule.cfa) + ") fp=" + std::to_string(rule.fp) + "/" +
                   std::to_string(rule.fp_offset) + " ra=" + std::to_string(rule.ra) + "/" +
                   std::to_string(rule.ra_offset));
  }
}

inline void FrameComparer::compare_row(const unw_rule& rule, const ReadelfRow& row) {
  ++result_.rows;
  if (rule.cfa == UNW_CFA_UNSUPPORTED && needs_more_than_a_rule(row)) {
    ++result_.unsupported;
    complain(rule, row, result_.unsupported_rows);
  } else if (!is_same(rule, row)) {
    ++result_.mismatch_count;
    complain(rule, row, result_.mismatches);
  } else if (row.cfa == "exp") {
    ++result_.expressions;
  }
}

inline FrameComparison FrameComparer::compare(const ElfFile& file, const ReadelfFrames& theirs) {
  result_ = {};
  auto info = CallFrameInfo::read(file, {.puts_go_right = false});
  if (!info) {
    if (info.error().code != Errc::not_found || !theirs.functions.empty()) {
      result_.mismatches.push_back(info.error().what);
      ++result_.mismatch_count;
    }
    return result_;
  }
  std::vector<CfiRow> ours;
  info->visit_rows([&](std::span<const CfiRow> rows) {
    ours.insert(ours.end(), rows.begin(), rows.end());
    return true;
  });
  EXPECT_TRUE(std::ranges::is_sorted(ours, std::ranges::less_equal(), &CfiRow::address));
  const auto is_code = [&](std::uint64_t address) {
    return std::ranges::any_of(file.load_segments(), [&](const ElfSegment& segment) {
      return segment.is_executable() && segment.has_address(address);
    });
  };
  // Every row of readelf, and at every row of ours inside a function one of readelf's.
  std::size_t at = 0;
  for (const ReadelfFunction& function : theirs.functions) {
    if (!is_code(function.start)) {
      continue;
    }
    for (std::size_t i = 0; i < function.row_count; ++i) {
      const ReadelfRow& row = theirs.rows[function.first_row + i];
      const bool is_last = i + 1 == function.row_count;
      const std::uint64_t next =
          is_last ? function.end : theirs.rows[function.first_row + i + 1].address;
      if (row.address >= function.end || (!is_last && next == row.address)) {
        continue;
      }
      while (at + 1 < ours.size() && ours[at + 1].address <= row.address) {
        ++at;
      }
      compare_row(ours[at].rule, row);
      if (at + 1 < ours.size() && ours[at + 1].address < std::min(next, function.end)) {
        ++result_.mismatch_count;
        complain(ours[at + 1].rule, row, result_.mismatches);
      }
    }
  }
  return result_;
}

}  // namespace waggle
