// SPDX-License-Identifier: Apache-2.0
// A Node whose waggle was killed: nobody is left to end what was begun in it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>

#include "tests/e2e/runtimes/node_maps_run.h"
#include "tests/wait_until.h"

namespace waggle {
namespace {

using std::chrono::seconds;

class NodeMapsLong : public NodeMaps {};

TEST_F(NodeMapsLong, end_by_themselves_once_waggle_is_killed_and_can_begin_again) {
  const TestProgram program(node(NODE_TURNS));
  Words arguments = attaching(program.pid(), {"-d", "600", "-o", "-"});
  arguments.insert(arguments.begin(), "record");
  const WaggleRun run(arguments);
  const auto has_begun = [&] {
    return std::filesystem::exists(map_of(program.pid())) && !is_listening(program.pid());
  };
  ASSERT_TRUE(wait_until(has_begun, seconds(20)));
  ASSERT_EQ(::kill(run.pid(), SIGKILL), 0);
  EXPECT_TRUE(std::filesystem::exists(map_of(program.pid())));
  ASSERT_TRUE(
      wait_until([&] { return !std::filesystem::exists(map_of(program.pid())); }, seconds(180)));
  expect_as_before(program.pid());

  const WaggleResult again = record_attaching(program.pid(), {"-d", "2", "-F", "199"});
  ASSERT_EQ(again.status, 0) << again.err;
  const CollapsedFile file = CollapsedFile::parse(again.out);
  EXPECT_GT(innermost_share(file, "node", "Function:spendAll "), 15) << again.err;
  expect_as_before(program.pid());
}

}  // namespace
}  // namespace waggle
