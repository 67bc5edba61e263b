// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind_table.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <expected>
#include <limits>
#include <utility>

#include "base/check.h"
#include "symbolizer/eh_frame.h"

namespace waggle {

namespace {

// 64 MiB, 16 million rows.  clang-19's LLVM has 1.5 million.
constexpr std::size_t kMaxNodes = 65536;

struct RuleWords {
  std::uint64_t low;
  std::uint64_t high;
};

RuleWords words_of(const unw_rule& rule) {
  return std::bit_cast<RuleWords>(rule);
}

std::uint64_t mix(const unw_rule& rule) {
  constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15;
  const RuleWords words = words_of(rule);
  std::uint64_t hash = (words.low ^ std::rotl(words.high, 31)) * kOdd;
  hash ^= hash >> 32;
  return hash * kOdd;
}

}  // namespace

std::size_t UnwindRuleHash::operator()(const unw_rule& rule) const {
  return mix(rule);
}

bool UnwindRuleEqual::operator()(const unw_rule& a, const unw_rule& b) const {
  const RuleWords left = words_of(a);
  const RuleWords right = words_of(b);
  return left.low == right.low && left.high == right.high;
}

UnwindRules::UnwindRules(std::size_t capacity) : capacity_(capacity) {
  CHECK(capacity >= UNW_FIXED_RULES && capacity <= UNW_MAX_RULES);
  constexpr std::pair<unw_fixed_rule, unw_cfa> kFixed[] = {
      {UNW_RULE_FRAME_POINTER, UNW_CFA_FRAME_POINTER},
      {UNW_RULE_UNSUPPORTED, UNW_CFA_UNSUPPORTED},
      {UNW_RULE_END, UNW_CFA_END}};
  for (const auto& [number, cfa] : kFixed) {
    CHECK(acquire(fixed_rule(cfa)) == number);
  }
}

std::optional<std::uint16_t> UnwindRules::acquire(const unw_rule& rule) {
  const std::scoped_lock lock(mutex_);
  if (const auto known = numbers_.find(rule); known != numbers_.end()) {
    ++rules_[known->second].users;
    return known->second;
  }
  if (free_.empty() && rules_.size() == capacity_) {
    ++refused_count_;
    return std::nullopt;
  }
  std::uint16_t number = 0;
  if (free_.empty()) {
    number = static_cast<std::uint16_t>(rules_.size());
    rules_.push_back({rule, 1});
  } else {
    number = free_.back();
    free_.pop_back();
    rules_[number] = {rule, 1};
  }
  numbers_.emplace(rule, number);
  return number;
}

unw_rule UnwindRules::at(std::uint16_t number) const {
  const std::scoped_lock lock(mutex_);
  return rules_[number].rule;
}

std::size_t UnwindRules::size() const {
  const std::scoped_lock lock(mutex_);
  return numbers_.size();
}

std::uint64_t UnwindRules::refused_count() const {
  const std::scoped_lock lock(mutex_);
  return refused_count_;
}

void UnwindRules::release(std::span<const std::uint16_t> numbers) {
  const std::scoped_lock lock(mutex_);
  for (const std::uint16_t number : numbers) {
    Entry& entry = rules_.at(number);
    CHECK(number >= UNW_FIXED_RULES && entry.users != 0);
    if (--entry.users == 0) {
      numbers_.erase(entry.rule);
      free_.push_back(number);
    }
  }
}

std::size_t UnwindRules::size_bytes() const {
  const std::scoped_lock lock(mutex_);
  constexpr std::size_t kMapNodeBytes = 48;  // libstdc++: next, hash, the pair; malloc's header
  return rules_.capacity() * sizeof(Entry) + free_.capacity() * sizeof(free_.front()) +
         numbers_.size() * kMapNodeBytes + numbers_.bucket_count() * sizeof(void*);
}

// Takes rows in order of address, one by one, and keeps nothing but the nodes.
class UnwindTableBuilder {
 public:
  // spare: a register's number; kNoRegister: none.
  UnwindTableBuilder(UnwindRules& rules, std::uint64_t lowest_address,
                     std::uint8_t spare = kNoRegister)
      : shared_(rules), spare_(spare) {
    table_.lowest_address_ = lowest_address;
    slots_.resize(kFirstSlots);
  }
  UnwindTableBuilder(const UnwindTableBuilder&) = delete;
  UnwindTableBuilder& operator=(const UnwindTableBuilder&) = delete;
  // What an abandoned table took goes back.
  ~UnwindTableBuilder() { shared_.release(table_.rules_); }

  // As many nodes as that much call frame information makes, or a little more.
  void reserve(std::size_t section_bytes) {
    constexpr std::size_t kSectionBytesPerNode = 1500;
    table_.nodes_.reserve(std::min(section_bytes / kSectionBytesPerNode, kMaxNodes));
  }
  // False when the table is full.
  bool add(std::span<const CfiRow> rows);
  // A rule names the spare register: the others must say where it is.
  [[nodiscard]] bool names_spare() const { return names_spare_; }
  Result<UnwindTable> finish(UnwindTableFacts facts);

 private:
  // Open addressing: rules of this file that have their number.
  struct Slot {
    unw_rule rule{};
    std::uint16_t number = 0;
    bool is_used = false;
  };
  static constexpr std::size_t kFirstSlots = 1024;

  std::uint16_t number_of(const unw_rule& rule);
  std::uint16_t acquire(const unw_rule& rule);
  [[nodiscard]] std::size_t find_slot(const unw_rule& rule) const;
  void grow_slots();
  bool begin_leaf(std::uint32_t key);
  void pad_leaf();
  bool add_levels();

  UnwindRules& shared_;
  std::uint8_t spare_;
  UnwindTable table_;
  UnwindTableFacts facts_;
  std::vector<Slot> slots_;
  std::size_t slots_used_ = 0;
  unw_rule last_rule_{};
  std::uint32_t last_number_ = std::numeric_limits<std::uint32_t>::max();  // none yet
  std::vector<std::uint32_t> first_keys_;                                  // of each leaf
  std::size_t rows_in_leaf_ = 0;
  bool names_spare_ = false;
};

std::size_t UnwindTableBuilder::find_slot(const unw_rule& rule) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = mix(rule) & mask;
  while (slots_[at].is_used && !UnwindRuleEqual()(slots_[at].rule, rule)) {
    at = (at + 1) & mask;
  }
  return at;
}

void UnwindTableBuilder::grow_slots() {
  std::vector<Slot> old(slots_.size() * 2);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.is_used) {
      slots_[find_slot(slot.rule)] = slot;
    }
  }
}

std::uint16_t UnwindTableBuilder::acquire(const unw_rule& rule) {
  const auto number = shared_.acquire(rule);
  if (!number) {
    return UNW_RULE_FRAME_POINTER;
  }
  if (*number >= UNW_FIXED_RULES) {
    table_.rules_.push_back(*number);
  }
  return *number;
}

std::uint16_t UnwindTableBuilder::number_of(const unw_rule& rule) {
  std::size_t at = find_slot(rule);
  if (!slots_[at].is_used) {
    if (++slots_used_ * 2 > slots_.size()) {
      grow_slots();
      at = find_slot(rule);
    }
    slots_[at] = {rule, acquire(rule), true};
    names_spare_ = names_spare_ || rule.other_register == spare_ + 1;
  }
  const std::uint16_t number = slots_[at].number;
  if (number == UNW_RULE_FRAME_POINTER && rule.cfa != UNW_CFA_FRAME_POINTER) {
    ++facts_.refused_rows;
  }
  return number;
}

bool UnwindTableBuilder::add(std::span<const CfiRow> rows) {
  for (const CfiRow& row : rows) {
    if (last_number_ <= std::numeric_limits<std::uint16_t>::max() &&
        UnwindRuleEqual()(row.rule, last_rule_)) {
      continue;
    }
    const std::uint16_t number = number_of(row.rule);
    last_rule_ = row.rule;
    if (number == last_number_) {
      continue;
    }
    last_number_ = number;
    const auto key = static_cast<std::uint32_t>(row.address - table_.lowest_address_);
    if (rows_in_leaf_ == 0 || rows_in_leaf_ == UNW_ROWS_PER_LEAF ||
        key - first_keys_.back() >= UNW_LEAF_SPAN) {
      if (!begin_leaf(key)) {
        return false;
      }
    }
    table_.nodes_.back().rows[rows_in_leaf_++] = {
        static_cast<std::uint16_t>(key - first_keys_.back()), number};
    ++facts_.row_count;
    facts_.unsupported_rows += number == UNW_RULE_UNSUPPORTED ? 1U : 0U;
  }
  return true;
}

bool UnwindTableBuilder::begin_leaf(std::uint32_t key) {
  if (table_.nodes_.size() == kMaxNodes) {
    return false;
  }
  pad_leaf();
  table_.nodes_.emplace_back();
  first_keys_.push_back(key);
  rows_in_leaf_ = 0;
  return true;
}

void UnwindTableBuilder::pad_leaf() {
  if (rows_in_leaf_ != 0) {
    auto& rows = table_.nodes_.back().rows;
    std::fill(rows + rows_in_leaf_, rows + UNW_ROWS_PER_LEAF, rows[rows_in_leaf_ - 1]);
  }
}

// Branches over the nodes of the level below, up to the one that is the root.
bool UnwindTableBuilder::add_levels() {
  std::size_t first = 0;  // of the level below
  std::vector<std::uint32_t> keys = first_keys_;
  while (keys.size() > 1) {
    std::vector<std::uint32_t> upper_keys;
    for (std::size_t i = 0; i < keys.size(); i += UNW_BRANCHES_PER_NODE) {
      unw_node& node = table_.nodes_.emplace_back();
      for (std::size_t j = 0; j < UNW_BRANCHES_PER_NODE; ++j) {
        const std::size_t child = std::min(i + j, keys.size() - 1);
        node.branches[j] = {keys[child], static_cast<std::uint32_t>(first + child)};
      }
      upper_keys.push_back(keys[i]);
    }
    first += keys.size();
    keys = std::move(upper_keys);
    ++table_.levels_;
  }
  return table_.levels_ <= UNW_MAX_LEVELS;
}

Result<UnwindTable> UnwindTableBuilder::finish(UnwindTableFacts facts) {
  if (first_keys_.empty() || first_keys_.front() != 0) {
    return fail(Errc::malformed, "an unwind table without its first row");
  }
  pad_leaf();
  table_.leaf_count_ = table_.nodes_.size();
  CHECK(add_levels());  // kMaxNodes leaves need no more
  facts.row_count = facts_.row_count;
  facts.unsupported_rows = facts_.unsupported_rows;
  facts.refused_rows = facts_.refused_rows;
  table_.facts_ = facts;
  return std::exchange(table_, {});
}

namespace {

bool add_all(CallFrameInfo& info, UnwindTableBuilder& builder) {
  builder.reserve(info.section_bytes());
  bool is_full = false;
  info.visit_rows([&](std::span<const CfiRow> rows) {
    is_full = !builder.add(rows);
    return !is_full;
  });
  return !is_full;
}

Error too_large() {
  return {Errc::exhausted, fmt::format("an unwind table of more than {} nodes", kMaxNodes)};
}

}  // namespace

Result<UnwindTable> UnwindTable::build(const ElfFile& file, UnwindRules& rules) {
  const auto registers = cfi_registers_of(file.machine());
  const std::uint8_t spare = registers ? registers->spare : kNoRegister;
  // Once more with the spare register where it is needed: one file of a system has it.
  for (const bool follows_spare : {false, true}) {
    CallFrameInfo info = TRY(CallFrameInfo::read(file, {.follows_spare = follows_spare}));
    UnwindTableBuilder builder(rules, info.lowest_address(), spare);
    if (!add_all(info, builder)) {
      return std::unexpected(too_large());
    }
    if (follows_spare || !builder.names_spare()) {
      return builder.finish({.section_bytes = info.section_bytes(),
                             .function_count = info.function_count(),
                             .malformed_functions = info.malformed_count(),
                             .outside_functions = info.outside_count()});
    }
  }
  std::unreachable();
}

Result<UnwindTable> UnwindTable::from_rows(std::span<const CfiRow> rows,
                                           std::uint64_t lowest_address, UnwindRules& rules) {
  UnwindTableBuilder builder(rules, lowest_address);
  if (!builder.add(rows)) {
    return std::unexpected(too_large());
  }
  return builder.finish({});
}

UnwindTable::Parts UnwindTable::parts(const UnwindRules& rules) const {
  Parts parts{.lowest_address = lowest_address_,
              .nodes = nodes_,
              .leaf_count = leaf_count_,
              .levels = levels_,
              .used = {},
              .facts = facts_};
  std::unordered_map<std::uint16_t, std::uint16_t> indexes;
  for (unw_node& leaf : std::span(parts.nodes).first(leaf_count_)) {
    for (unw_row& row : leaf.rows) {
      const auto [known, is_new] =
          indexes.try_emplace(row.rule, static_cast<std::uint16_t>(parts.used.size()));
      if (is_new) {
        parts.used.push_back(rules.at(row.rule));
      }
      row.rule = known->second;
    }
  }
  return parts;
}

namespace {

// Each level leads to all of the one below, in order, and ends in one root.
bool is_tree(const UnwindTable::Parts& parts) {
  std::size_t first = 0;  // of the level below
  std::size_t count = parts.leaf_count;
  for (std::uint32_t level = 0; level < parts.levels; ++level) {
    const std::size_t node_count =
        count / UNW_BRANCHES_PER_NODE + (count % UNW_BRANCHES_PER_NODE != 0 ? 1 : 0);
    if (count <= 1 || parts.nodes.size() < first + count + node_count) {
      return false;
    }
    for (std::size_t i = 0; i < node_count * UNW_BRANCHES_PER_NODE; ++i) {
      const unw_node& node = parts.nodes[first + count + i / UNW_BRANCHES_PER_NODE];
      if (node.branches[i % UNW_BRANCHES_PER_NODE].child != first + std::min(i, count - 1)) {
        return false;
      }
    }
    first += count;
    count = node_count;
  }
  return count == 1 && parts.nodes.size() == first + 1;
}

}  // namespace

Result<UnwindTable> UnwindTable::from_parts(Parts parts, UnwindRules& rules) {
  if (parts.leaf_count > kMaxNodes || parts.levels > UNW_MAX_LEVELS || !is_tree(parts) ||
      parts.used.size() > UNW_MAX_RULES) {
    return fail(Errc::malformed, "the nodes of an unwind table are no tree");
  }
  const auto leaves = std::span(parts.nodes).first(parts.leaf_count);
  for (const unw_node& leaf : leaves) {
    if (!std::ranges::all_of(leaf.rows,
                             [&](unw_row row) { return row.rule < parts.used.size(); })) {
      return fail(Errc::malformed, "a row of an unwind table has no rule");
    }
  }
  UnwindTable table;
  std::vector<std::uint16_t> numbers;
  for (const unw_rule& rule : parts.used) {
    const auto number = rules.acquire(rule);
    if (!number) {
      rules.release(table.rules_);
      return fail(Errc::exhausted, "too many rules in the unwind tables of this host");
    }
    if (*number >= UNW_FIXED_RULES) {
      table.rules_.push_back(*number);
    }
    numbers.push_back(*number);
  }
  for (unw_node& leaf : leaves) {
    for (unw_row& row : leaf.rows) {
      row.rule = numbers[row.rule];
    }
  }
  table.lowest_address_ = parts.lowest_address;
  table.nodes_ = std::move(parts.nodes);
  table.leaf_count_ = parts.leaf_count;
  table.levels_ = parts.levels;
  table.facts_ = parts.facts;
  return table;
}

void UnwindTable::copy_node(std::size_t index, std::span<const std::uint32_t> numbers,
                            unw_node& out) const {
  CHECK(numbers.size() == nodes_.size());
  out = nodes_.at(index);
  if (index < leaf_count_) {
    return;
  }
  for (unw_branch& branch : out.branches) {
    branch.child = numbers[branch.child];
  }
}

unw_tree UnwindTable::tree(std::span<const std::uint32_t> numbers) const {
  CHECK(numbers.size() == nodes_.size());
  return {numbers.back(), levels_};
}

}  // namespace waggle
