// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/linux_perf/node_process.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "tests/temp_dir.h"
#include "userspace/tools/linux_perf/node_modules.h"

namespace waggle {
namespace {

std::string words(std::string_view text) {
  std::string line(text);
  std::ranges::replace(line, ' ', '\0');
  return line + '\0';
}

TEST(InspectorPort, is_the_usual_one_unless_an_option_says_otherwise) {
  EXPECT_EQ(parse_inspector_port(words("node server.js --port=3000"), ""), 9229);
  EXPECT_EQ(parse_inspector_port(words("node --inspect server.js"), ""), 9229);
  EXPECT_EQ(parse_inspector_port(words("node --inspect=9300 server.js"), ""), 9300);
  EXPECT_EQ(parse_inspector_port(words("node --inspect=[::1]:9301 server.js"), ""), 9301);
  EXPECT_EQ(parse_inspector_port(words("node --inspect-brk=0.0.0.0:9302 x.js"), ""), 9302);
  EXPECT_EQ(parse_inspector_port(words("node --inspect-port=0 x.js"), ""), 0);
  EXPECT_EQ(parse_inspector_port(words("node --inspect=localhost x.js"), ""), 9229);
}

TEST(InspectorPort, of_the_environment_is_overridden_by_the_command_line) {
  EXPECT_EQ(parse_inspector_port(words("node x.js"), "--no-warnings --inspect-port=9400"), 9400);
  EXPECT_EQ(parse_inspector_port(words("node --debug-port=9401 x.js"), "--inspect-port=9400"),
            9401);
}

TEST(NodeModules, are_of_one_version_and_library_where_a_directory_has_several) {
  const TempDir folder;
  const std::string special = folder.path() + "/musl/20/linux-perf.node";
  std::filesystem::create_directories(folder.path() + "/musl/20");
  std::ofstream(special) << "for musl";
  const auto modules = NodeModules::prepare(folder.path());
  ASSERT_TRUE(modules);
  EXPECT_EQ(modules->find(true, 20), special);
  EXPECT_FALSE(modules->find(false, 20));
  EXPECT_FALSE(modules->find(true, 18));
  const std::string any = folder.path() + "/linux-perf.node";
  std::ofstream(any) << "for one that is not told";
  EXPECT_EQ(modules->find(true, 20), special);
  EXPECT_EQ(modules->find(false, 20), any);
  EXPECT_EQ(NodeModules::prepare(any)->find(true, 20), any) << "a file that was named is it";
}

TEST(NodeModules, that_were_named_must_be_there) {
  const auto modules = NodeModules::prepare("/nonexistent");
  ASSERT_FALSE(modules);
  EXPECT_EQ(modules.error().code, Errc::not_found);
}

}  // namespace
}  // namespace waggle
