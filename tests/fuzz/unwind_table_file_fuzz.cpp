// SPDX-License-Identifier: Apache-2.0
// Any bytes as an unwind table on disk whose magic and checksum are right, for the rest to be read.
#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"
#include "symbolizer/unwind_table_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto checksum = static_cast<std::uint32_t>(::crc32_z(0, data, size));
  std::string bytes = "waggunw1";
  bytes.append(reinterpret_cast<const char*>(&checksum), sizeof(checksum));
  bytes.append(reinterpret_cast<const char*>(data), size);
  waggle::UnwindRules rules;
  const auto table = waggle::read_unwind_table(std::as_bytes(std::span(bytes)), rules);
  if (!table) {
    CHECK(!table.error().what.empty());
    return 0;
  }
  const std::vector<std::uint32_t> numbers(table->nodes().size(), 7);
  for (std::size_t i = 0; i < table->nodes().size(); ++i) {
    unw_node node{};
    table->copy_node(i, numbers, node);
    for (const unw_row& row : node.rows) {
      CHECK(i >= table->leaf_count() || rules.at(row.rule).cfa <= UNW_CFA_FP_ANYWHERE);
    }
  }
  CHECK(table->tree(numbers).root == 7);
  rules.release(table->rules());
  return 0;
}
