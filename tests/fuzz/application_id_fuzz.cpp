// SPDX-License-Identifier: Apache-2.0
// Any bytes as a process' command line and the files that it names, and as what files tell of their
// runtime.  The first byte: which runtime, and how much of the rest is the command line.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/check.h"
#include "userspace/metadata/application_files.h"
#include "userspace/metadata/application_id.h"
#include "userspace/metadata/application_metadata.h"
#include "userspace/metadata/application_root.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const unsigned first = data[0];
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::size_t cut = (first & 1) != 0 ? text.size() / 2 : text.size();
  const std::string_view file = text.substr(cut);
  const auto arguments = waggle::parse_command_line(text.substr(0, cut));
  waggle::ArgumentFilters filters;
  CHECK(filters.add("D[a-z]+=").has_value());
  const auto id = waggle::find_application_id(
      {.arguments = arguments,
       .runtimes = {.has_python = (first & 2) != 0,
                    .has_java = (first & 4) != 0,
                    .has_node = (first & 8) != 0,
                    .has_ruby = (first & 16) != 0},
       .cwd = "/srv",
       .resolve = [](const std::string& path) { return waggle::without_dots(path); },
       .read = [&](const std::string&) { return std::optional(std::string(file)); },
       .java_arguments = &filters,
       .wants_spark = true});
  CHECK(!id || id->size() <= waggle::kMaxApplicationIdBytes);
  const auto plain = waggle::without_dots(text);
  CHECK(plain.starts_with('/') && !plain.contains("/../") && !plain.ends_with("/.."));
  (void)waggle::python_of_path(text);
  (void)waggle::value_in_release(text, "JAVA_VERSION");
  const auto bytes = std::as_bytes(std::span(text));
  (void)waggle::parse_go_build_info(bytes);
  waggle::NodeVersionTexts texts;
  texts.add(bytes);
  (void)texts.only();
  return 0;
}
