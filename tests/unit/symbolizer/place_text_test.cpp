// SPDX-License-Identifier: Apache-2.0
// Places in this very program.
#include "symbolizer/place_text.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstdint>

#include "base/file.h"

namespace waggle {
namespace {

TEST(PlaceText, is_a_name_with_its_file_behind_it_or_where_it_is) {
  const Module module = Module::load(open_file("/proc/self/exe", O_RDONLY).value()).value();
  const auto main = module.symbols().find_named("main");
  ASSERT_TRUE(main);
  std::uint64_t offset = 0;
  while (module.address_of_offset(offset) != main->start) {
    ++offset;
  }
  EXPECT_EQ(place_text(module, "p", offset, ""), "main");
  EXPECT_EQ(place_text(module, "p", offset, "/bin/p"), "main (/bin/p)");
  constexpr std::uint64_t kNowhere = 0x7fffffffff;
  EXPECT_EQ(place_text(module, "p", kNowhere, "/bin/p"), "(p+0x7fffffffff)");
  EXPECT_EQ(nameless_text("[anon]", 16), "([anon]+0x10)");
}

}  // namespace
}  // namespace waggle
