// SPDX-License-Identifier: Apache-2.0
// Any bytes as an executable file that may have a Python in it.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/check.h"
#include "userspace/runtimes/python/python_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto file = waggle::ElfFile::from_bytes({bytes.begin(), bytes.end()});
  if (!file) {
    return 0;
  }
  const auto python = waggle::inspect_python_file(*file);
  if (python && *python) {
    CHECK((*python)->loop.parts.size() <= PY_MAX_LOOPS);
    for (const py_range& loop : (*python)->loop.parts) {
      CHECK(loop.start < loop.end);
    }
  }
  return 0;
}
