// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/vdso.h"

#include <gtest/gtest.h>
#include <sys/auxv.h>

namespace waggle {
namespace {

TEST(Vdso, has_the_names_of_the_clock) {
  if (::getauxval(AT_SYSINFO_EHDR) == 0) {
    GTEST_SKIP() << "no vDSO in this process";
  }
  const auto module = load_vdso();
  ASSERT_TRUE(module) << module.error().what;
  const auto symbol = module->symbols().find_named("clock_gettime");
  const auto vdso_symbol = module->symbols().find_named("__vdso_clock_gettime");
  ASSERT_TRUE(symbol || vdso_symbol);
  const std::uint64_t start = (symbol ? symbol : vdso_symbol)->start;
  EXPECT_NE(module->find_name(start + 1)->find("clock_gettime"), std::string_view::npos);
  EXPECT_EQ(module->address_of_offset(start), start) << "the image is loaded as it lies";
  EXPECT_FALSE(module->build_id().empty());
}

}  // namespace
}  // namespace waggle
