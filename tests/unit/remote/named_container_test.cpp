// SPDX-License-Identifier: Apache-2.0
#include "userspace/remote/named_container.h"

#include <gtest/gtest.h>

namespace waggle {
namespace {

TEST(ContainerName, has_no_path_in_it) {
  EXPECT_TRUE(is_container_name("web_1.a-b"));
  for (const auto* const text : {"", ".", "..", "a/b", "-a", "a b", "a?b", "a%2fb"}) {
    EXPECT_FALSE(is_container_name(text)) << text;
  }
}

}  // namespace
}  // namespace waggle
