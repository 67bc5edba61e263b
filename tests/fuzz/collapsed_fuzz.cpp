// SPDX-License-Identifier: Apache-2.0
// Names of processes, containers and functions are chosen by other users: whatever they are, a
// line of a .col file has the fields that were put in.  Input: a separator byte, then names.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/text.h"
#include "userspace/output/collapsed.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  waggle::Profile profile;
  std::vector<waggle::Profile::NameId> names;
  for (const std::string_view name : waggle::split(input.substr(1), input.front())) {
    names.push_back(profile.intern(name));
  }
  waggle::Profile::Stack stack{names.front(), names.back(), names};
  profile.add(stack, size);

  const std::string text = waggle::render_collapsed(profile, "{}");
  CHECK(waggle::printable(text, waggle::Newlines::keep) == text);
  const auto lines = waggle::split(text, '\n');
  CHECK(lines.size() == 2);
  const std::size_t space = lines[1].rfind(' ');
  CHECK(space != std::string_view::npos);
  CHECK(waggle::parse_number<std::size_t>(lines[1].substr(space + 1)) == size);
  const auto fields = waggle::split(lines[1].substr(0, space), ';');
  CHECK(fields.size() == 3 + stack.frames.size());
  CHECK(fields[0] == "0");
  for (std::size_t i = 0; i < stack.frames.size(); ++i) {
    CHECK(fields[3 + i].empty() == profile.name(stack.frames[i]).empty());
  }
  return 0;
}
