// SPDX-License-Identifier: Apache-2.0
// Any bytes as the line table of each version: {offset (4), version's minor (1), table}.
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/check.h"
#include "userspace/runtimes/python/layout.h"
#include "userspace/runtimes/python/lines.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  waggle::ByteCursor cursor(std::as_bytes(std::span(data, size)));
  const auto offset = cursor.read<std::int32_t>();
  const auto minor = cursor.read<std::uint8_t>() % 16U;
  const waggle::Bytes table = cursor.take(cursor.remaining());
  const std::uint32_t version =
      minor == 7 ? waggle::python_version(2, 7, 0) : waggle::python_version(3, minor, 0);
  const auto line = waggle::find_python_line(table, version, 1, offset);
  CHECK(!line || *line >= 0);
  return 0;
}
