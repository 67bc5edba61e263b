// SPDX-License-Identifier: Apache-2.0
// Any bytes as /proc/kallsyms.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "base/file.h"
#include "symbolizer/kernel_symbols.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const waggle::UniqueFd fd(::memfd_create("kallsyms", MFD_CLOEXEC));
  CHECK(fd.is_open());
  CHECK(waggle::write_all(fd.get(), {reinterpret_cast<const char*>(data), size}));
  CHECK(::lseek(fd.get(), 0, SEEK_SET) == 0);
  const auto symbols = waggle::KernelSymbols::load(fd.get());
  CHECK(symbols || !symbols.error().what.empty());
  if (symbols) {
    CHECK(symbols->symbol_count() > 0);
    CHECK(!symbols->find(0));
    const auto last = symbols->find(~std::uint64_t{0});
    CHECK(last && !last->name.empty());
  }
  return 0;
}
