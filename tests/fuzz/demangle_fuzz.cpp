// SPDX-License-Identifier: Apache-2.0
// Any bytes as a mangled name, as they are and behind each prefix that a demangler listens to.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "symbolizer/demangle.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const char* prefix : {"", "_Z", "_ZN", "_R"}) {
    const std::string name = std::string(prefix).append(text);
    const std::string readable = waggle::demangle(name);
    CHECK(readable == name || (!readable.empty() && readable.size() <= waggle::kMaxDemangledBytes));
  }
  return 0;
}
