// SPDX-License-Identifier: Apache-2.0
// Any bytes as each of the files that a distribution of Python packages says its own in.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/text.h"
#include "userspace/runtimes/python/package_metadata.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto package = waggle::parse_package_metadata(text);
  if (package) {
    for (const auto& word : {package->name, package->version}) {
      CHECK(!word.empty() && word.size() <= waggle::kMaxPackageWord &&
            waggle::printable(word) == word);
    }
  }
  const auto is_inside = [](std::string_view path) {
    CHECK(!path.empty() && !path.starts_with('/') && !path.ends_with('/'));
    for (const std::string_view part : waggle::split(path, '/')) {
      CHECK(!part.empty() && part != "." && part != "..");
    }
  };
  waggle::parse_package_record(text, is_inside);
  waggle::parse_installed_files(text, "Name-1.0.egg-info", is_inside);
  waggle::parse_top_level(text, is_inside);
  const auto folder = waggle::packages_folder(text);
  CHECK(!folder || (text.starts_with(*folder) && !waggle::is_standard_library(text)));
  return 0;
}
