// SPDX-License-Identifier: Apache-2.0
// The unwind table of one file, as the kernel side searches it (bpf/abi/unwind.h): rows of 4 bytes
// in nodes of 1 KiB, made from the file's call frame information (eh_frame.h), and the rules that
// the tables of all files share.  Not for where nodes lie in the kernel's pool, nor for when they
// are freed: that is the feeder's.
//
// To put a table into the pool: take nodes().size() free nodes, with any numbers; copy each node
// by copy_node(), which puts those numbers in; write the rules() of the table at their numbers
// (writing one that is there already changes nothing); then publish tree().
//
// To look up an address of the file: key = address - lowest_address(), 32 bits; the rule is that of
// the last row with a key not above.  A return address is looked up at address - 1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "bpf/abi/unwind.h"
#include "symbolizer/cfi_program.h"
#include "symbolizer/elf_file.h"

namespace waggle {

struct NumberedRule {
  std::uint16_t number;
  unw_rule rule;
};

struct UnwindRuleHash {
  std::size_t operator()(const unw_rule& rule) const;
};
struct UnwindRuleEqual {
  bool operator()(const unw_rule& a, const unw_rule& b) const;
};

// The rules of all tables, each once.  A number means the same rule as long as a table that uses it
// has not been released.  6,200 rules serve all files of a Debian system.  Any thread: tables ask
// once for each of their rules, so the lock costs nothing.
class UnwindRules {
 public:
  explicit UnwindRules(std::size_t capacity = UNW_MAX_RULES);

  // The rule's number, with one more user; nothing when all numbers are taken, which is counted.
  std::optional<std::uint16_t> acquire(const unw_rule& rule);
  // One user less.  A number without users is given to another rule: call this when no walk can
  // see the table any more.  Fixed rules have users always.
  void release(std::span<const std::uint16_t> numbers);

  [[nodiscard]] unw_rule at(std::uint16_t number) const;
  [[nodiscard]] std::size_t size() const;
  // Rules that found no number.
  [[nodiscard]] std::uint64_t refused_count() const;
  // Of memory, for budgets.
  [[nodiscard]] std::size_t size_bytes() const;

 private:
  struct Entry {
    unw_rule rule;
    std::uint32_t users;
  };
  std::size_t capacity_;
  mutable std::mutex mutex_;  // guards all below
  std::vector<Entry> rules_;
  std::vector<std::uint16_t> free_;
  std::unordered_map<unw_rule, std::uint16_t, UnwindRuleHash, UnwindRuleEqual> numbers_;
  std::uint64_t refused_count_ = 0;
};

// What became of a file's call frame information.
struct UnwindTableFacts {
  std::size_t section_bytes = 0;  // .eh_frame and .debug_frame
  std::size_t function_count = 0;
  std::size_t row_count = 0;         // neighbours with one rule count once; no padding
  std::size_t unsupported_rows = 0;  // UNW_RULE_UNSUPPORTED
  std::size_t refused_rows = 0;      // UNW_RULE_FRAME_POINTER because UnwindRules was full
  std::uint64_t malformed_functions = 0;
  std::uint64_t outside_functions = 0;
};

// A value.  Whoever drops it gives rules() back to the UnwindRules it was built with.
class UnwindTable {
 public:
  // Errors as CallFrameInfo::read(); Errc::exhausted for a table of more than 64 MiB.  None of them
  // leaves rules taken.
  static Result<UnwindTable> build(const ElfFile& file, UnwindRules& rules);

  // From rows in order of address, the first at `lowest_address`; for tests.
  static Result<UnwindTable> from_rows(std::span<const CfiRow> rows, std::uint64_t lowest_address,
                                       UnwindRules& rules);

  // What another table was: its nodes, whose rows have indexes into `used` in place of numbers.
  // Errc::malformed: they are no tree of leaf_count leaves and `levels` levels above them, or an
  // index leads nowhere.  Errc::exhausted: no numbers are left.  Neither leaves rules taken.
  struct Parts {
    std::uint64_t lowest_address;
    std::vector<unw_node> nodes;
    std::size_t leaf_count;
    std::uint32_t levels;
    std::vector<unw_rule> used;
    UnwindTableFacts facts;
  };
  static Result<UnwindTable> from_parts(Parts parts, UnwindRules& rules);
  [[nodiscard]] Parts parts(const UnwindRules& rules) const;

  [[nodiscard]] std::uint64_t lowest_address() const { return lowest_address_; }
  // Leaves first, in order of address; the root last.  Children are indexes into this.
  [[nodiscard]] const std::vector<unw_node>& nodes() const { return nodes_; }
  [[nodiscard]] std::size_t leaf_count() const { return leaf_count_; }
  // Numbers of the rules that the rows use, each once, fixed ones left out.
  [[nodiscard]] const std::vector<std::uint16_t>& rules() const { return rules_; }
  [[nodiscard]] const UnwindTableFacts& facts() const { return facts_; }

  // nodes()[index] for a pool in which nodes()[i] has the number numbers[i].
  void copy_node(std::size_t index, std::span<const std::uint32_t> numbers, unw_node& out) const;
  [[nodiscard]] unw_tree tree(std::span<const std::uint32_t> numbers) const;

 private:
  friend class UnwindTableBuilder;

  std::uint64_t lowest_address_ = 0;
  std::vector<unw_node> nodes_;
  std::size_t leaf_count_ = 0;
  std::uint32_t levels_ = 0;
  std::vector<std::uint16_t> rules_;
  UnwindTableFacts facts_;
};

}  // namespace waggle
