// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind_table_file.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

namespace waggle {

namespace {

// To be changed with the meaning of anything below, of unw_rule, or of how rules are made.
constexpr std::array<char, 8> kMagic = {'w', 'a', 'g', 'g', 'u', 'n', 'w', '1'};

struct Header {
  std::array<char, 8> magic;
  std::uint32_t checksum;  // CRC-32 of all that follows this field
  std::uint32_t rule_count;
  std::uint32_t node_count;
  std::uint32_t leaf_count;
  std::uint64_t levels;
  std::uint64_t lowest_address;
  std::uint64_t section_bytes;
  std::uint64_t function_count;
  std::uint64_t row_count;
  std::uint64_t unsupported_rows;
  std::uint64_t malformed_functions;
  std::uint64_t outside_functions;
};
static_assert(std::has_unique_object_representations_v<Header>);

constexpr std::size_t kChecked = offsetof(Header, checksum) + sizeof(Header::checksum);

std::uint32_t checksum_of(Bytes bytes) {
  return static_cast<std::uint32_t>(
      ::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

template <class T>
void append(std::string& out, std::span<const T> values) {
  const auto bytes = std::as_bytes(values);
  out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

// Takes `count` values off the front, which must be there.
template <class T>
std::vector<T> take(Bytes& bytes, std::size_t count) {
  std::vector<T> values(count);
  if (count != 0) {  // an empty vector has no data()
    std::memcpy(values.data(), bytes.data(), count * sizeof(T));
  }
  bytes = bytes.subspan(count * sizeof(T));
  return values;
}

Error malformed(const char* what) {
  return {Errc::malformed, what};
}

Result<Header> read_header(Bytes& bytes) {
  if (bytes.size() < sizeof(Header)) {
    return std::unexpected(malformed("shorter than its header"));
  }
  const Bytes whole = bytes;
  const Header header = take<Header>(bytes, 1).front();
  if (header.magic != kMagic) {
    return std::unexpected(malformed("of another version"));
  }
  if (header.checksum != checksum_of(whole.subspan(kChecked))) {
    return std::unexpected(malformed("its checksum is another"));
  }
  if (bytes.size() != std::uint64_t{header.rule_count} * sizeof(unw_rule) +
                          std::uint64_t{header.node_count} * sizeof(unw_node)) {
    return std::unexpected(malformed("its length is another"));
  }
  return header;
}

// What the step core (bpf/lib/unwind_step.h) may meet.
bool is_valid(const unw_rule& rule) {
  const bool leads_on = rule.cfa > UNW_CFA_END;
  const bool has_ra =
      rule.ra == UNW_SAVED_CFA || rule.ra == UNW_SAVED_SP || rule.ra == UNW_SAVED_OTHER;
  return rule.cfa <= UNW_CFA_FP_ANYWHERE && rule.fp <= UNW_SAVED_OTHER &&
         rule.is_signal_frame <= 1 && (has_ra || !leads_on);
}

}  // namespace

std::string write_unwind_table(const UnwindTable& table, const UnwindRules& rules) {
  const UnwindTable::Parts parts = table.parts(rules);
  Header header{.magic = kMagic,
                .checksum = 0,
                .rule_count = static_cast<std::uint32_t>(parts.used.size()),
                .node_count = static_cast<std::uint32_t>(parts.nodes.size()),
                .leaf_count = static_cast<std::uint32_t>(parts.leaf_count),
                .levels = parts.levels,
                .lowest_address = parts.lowest_address,
                .section_bytes = parts.facts.section_bytes,
                .function_count = parts.facts.function_count,
                .row_count = parts.facts.row_count,
                .unsupported_rows = parts.facts.unsupported_rows,
                .malformed_functions = parts.facts.malformed_functions,
                .outside_functions = parts.facts.outside_functions};
  std::string out;
  out.reserve(sizeof(header) + parts.used.size() * sizeof(unw_rule) +
              parts.nodes.size() * sizeof(unw_node));
  append<Header>(out, {&header, 1});
  append<unw_rule>(out, parts.used);
  append<unw_node>(out, parts.nodes);
  header.checksum = checksum_of(std::as_bytes(std::span(out)).subspan(kChecked));
  std::memcpy(out.data(), &header, sizeof(header));
  return out;
}

Result<UnwindTable> read_unwind_table(Bytes bytes, UnwindRules& rules) {
  const Header header = TRY(read_header(bytes));
  auto used = take<unw_rule>(bytes, header.rule_count);
  if (!std::ranges::all_of(used, is_valid)) {
    return std::unexpected(malformed("a rule that there is not"));
  }
  if (header.levels > UNW_MAX_LEVELS) {
    return std::unexpected(malformed("too many levels"));
  }
  return UnwindTable::from_parts({.lowest_address = header.lowest_address,
                                  .nodes = take<unw_node>(bytes, header.node_count),
                                  .leaf_count = header.leaf_count,
                                  .levels = static_cast<std::uint32_t>(header.levels),
                                  .used = std::move(used),
                                  .facts = {.section_bytes = header.section_bytes,
                                            .function_count = header.function_count,
                                            .row_count = header.row_count,
                                            .unsupported_rows = header.unsupported_rows,
                                            .malformed_functions = header.malformed_functions,
                                            .outside_functions = header.outside_functions}},
                                 rules);
}

}  // namespace waggle
