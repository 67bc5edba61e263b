// SPDX-License-Identifier: Apache-2.0
// docs/markers.md and docs/counters.md say what the lists in bpf/abi say.  When a list changes, the
// test fails and writes the page it wants beside itself: copy it over the old one.
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "base/file.h"
#include "bpf/abi/markers.h"
#include "bpf/abi/stats.h"

namespace waggle {
namespace {

std::string row(std::string_view first, std::string_view second, std::string_view third) {
  return std::string("| ").append(first).append(" | ").append(second).append(" | ").append(third) +
         " |\n";
}

std::string markers_page() {
  std::string page =
      "# Marker frames\n\n"
      "Where a stack has a gap, a frame in square brackets names the reason. Right after the "
      "process'\n"
      "name it means that the root side is missing, elsewhere it stands at the place of the gap. "
      "The\n"
      "list is `bpf/abi/markers.h`; a unit test keeps this page equal to it.\n\n"
      "| frame | meaning |\n|---|---|\n";
#define X(name, text, meaning) page += std::string("| `" text "` | ") + (meaning) + " |\n";
  WAGGLE_MARKERS(X)
#undef X
  return page;
}

std::string counters_page() {
  std::string page =
      "# Counters\n\n"
      "What the sampling program counts, per CPU, in the map `cpu_stats`. `lost` samples are in no "
      "line\n"
      "of a profile: sum of the profile's counts + all lost = `samples`. `truncated` samples are "
      "in the\n"
      "profile with a part of their stack missing. The list is `bpf/abi/stats.h`; a unit test "
      "keeps\n"
      "this page equal to it.\n\n"
      "| counter | kind | meaning |\n|---|---|---|\n";
#define X(kind, name, text) page += row("`" #name "`", #kind, text);
  WAGGLE_STATS(X)
#undef X
  return page;
}

void expect_page(const std::string& name, const std::string& wanted) {
  const std::string page = read_file(std::string(DOCS_DIR "/") + name, 1 << 20).value_or("");
  if (page != wanted) {
    const Result<> written = write_file_atomically(name, wanted);
    FAIL() << "docs/" << name << " is not what bpf/abi says; "
           << (written ? "the page wanted is in the directory of this test" : written.error().what);
  }
}

TEST(Docs, list_every_marker) {
  expect_page("markers.md", markers_page());
}

TEST(Docs, list_every_counter) {
  expect_page("counters.md", counters_page());
}

}  // namespace
}  // namespace waggle
