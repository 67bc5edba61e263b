// SPDX-License-Identifier: Apache-2.0
// Any bytes as a shared library that a JVM has loaded under async-profiler's name.
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/file.h"
#include "userspace/process/shared_library.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  waggle::UniqueFd file(::memfd_create("library", MFD_CLOEXEC));
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  CHECK(file.is_open() && waggle::write_all(file.get(), bytes));
  const auto library = waggle::read_shared_library(std::move(file), "Agent_OnAttach");
  if (library) {
    CHECK(library->needed.size() <= 100);
  } else {
    CHECK(!library.error().what.empty());
  }
  return 0;
}
