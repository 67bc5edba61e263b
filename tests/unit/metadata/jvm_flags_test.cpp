// SPDX-License-Identifier: Apache-2.0
#include "userspace/metadata/jvm_flags.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace waggle {
namespace {

using Words = std::vector<std::string>;

const Words kArguments{"java", "-XX:+UseG1GC", "-XX:MaxRAM=5g", "-XX:ErrorFile=/secret", "Main"};

std::string names_of(const ApplicationWishes& wishes) {
  std::string names;
  for (const auto& flag : jvm_flags(kArguments, wishes)) {
    names += flag["name"].get<std::string>() + "=" + flag["value"].get<std::string>() + " ";
  }
  return names;
}

TEST(JvmFlags, are_those_of_the_command_line_but_for_texts) {
  EXPECT_EQ(names_of({}), "MaxRAM=5g UseG1GC=true ");
}

TEST(JvmFlags, are_none_or_the_ones_that_are_asked_for) {
  EXPECT_EQ(names_of({.java_arguments = {}, .has_jvm_flags = false}), "");
  EXPECT_EQ(names_of({.java_arguments = {}, .jvm_flags = {"UseG1GC", "ErrorFile", "Other"}}),
            "UseG1GC=true ");
}

}  // namespace
}  // namespace waggle
