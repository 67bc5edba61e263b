// SPDX-License-Identifier: Apache-2.0
// A .gopclntab of two functions: main.main at kCode, 64 bytes, and main.burn behind it.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/unit/symbolizer/cfi_builder.h"

namespace waggle {

struct GoTableSpec {
  std::uint32_t magic = 0xfffffff1;
  unsigned word_bytes = 8;
  std::uint64_t function_count = 2;
  std::uint64_t text_start = kCode;
  std::uint32_t second_start = 0x40;
  std::uint32_t name = 0;    // of the first, in the names
  std::uint32_t record = 0;  // of the first, behind its list; 0: where it is
  // Of the first: nothing for 4 bytes, 16 for 44, nothing.
  std::vector<std::byte> stack_sizes = ByteWriter{2, 4, 32, 44, 31, 1, 0}.bytes();
};

inline std::vector<std::byte> make_go_table(const GoTableSpec& spec) {
  constexpr std::uint64_t kHeaderBytes = 72;
  ByteWriter names;
  names.text("main.main").text("main.burn");
  constexpr std::uint32_t kSecondName = 10;
  ByteWriter values{0};  // no function's are at 0
  values.u8({2, 0x40, 0});
  constexpr std::uint32_t kSecondSizes = 1;
  constexpr std::uint32_t kFirstSizes = 4;
  for (const std::byte value : spec.stack_sizes) {
    values.put(value);
  }
  const std::uint64_t values_at = kHeaderBytes + names.bytes().size();
  const std::uint64_t functions_at = values_at + values.bytes().size();
  constexpr std::uint32_t kListBytes = 2 * 8 + 4;
  constexpr std::uint32_t kRecordBytes = 44;
  ByteWriter list;
  const auto add_entry = [&](std::uint32_t start, std::uint32_t record) {
    list.put(start).put(record);
  };
  add_entry(0, spec.record == 0 ? kListBytes : spec.record);
  add_entry(spec.second_start, kListBytes + kRecordBytes);
  list.put(std::uint32_t{0x80});
  const auto add_record = [&](std::uint32_t name, std::uint32_t sizes) {
    list.put(std::uint32_t{0}).put(name).put(std::uint64_t{0}).put(sizes);
    for (std::uint32_t i = 20; i < kRecordBytes; ++i) {
      list.u8({0});
    }
  };
  add_record(spec.name, kFirstSizes);
  add_record(kSecondName, kSecondSizes);
  ByteWriter table;
  table.put(spec.magic).u8({0, 0, 1, spec.word_bytes}).put(spec.function_count);
  table.put(std::uint64_t{0}).put(spec.text_start).put(kHeaderBytes);
  table.put(std::uint64_t{0}).put(std::uint64_t{0}).put(values_at).put(functions_at);
  return table.add(names).add(values).add(list).bytes();
}

}  // namespace waggle
