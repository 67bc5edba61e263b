// SPDX-License-Identifier: Apache-2.0
#include "userspace/output/flame_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace waggle {
namespace {

using testing::ElementsAre;

// "depth name self" per node.
std::vector<std::string> nodes_of(const FlameTree& tree) {
  std::vector<std::string> nodes;
  for (const FlameTree::Node& node : tree.nodes) {
    nodes.push_back(std::to_string(node.depth) + " " + tree.names[node.name] + " " +
                    std::to_string(node.self));
  }
  return nodes;
}

TEST(FlameTree, merges_common_prefixes_and_puts_the_heaviest_first) {
  Profile profile;
  const auto none = profile.intern("");
  const auto app = profile.intern("app");
  const auto main = profile.intern("main");
  const auto light = profile.intern("light");
  const auto heavy = profile.intern("heavy");
  profile.add({none, app, {main, light}}, 1);
  profile.add({none, app, {main, heavy}}, 5);
  profile.add({none, app, {main}}, 2);
  profile.add({none, app, {main, heavy, light}}, 1);
  EXPECT_THAT(nodes_of(build_flame_tree(profile)),
              ElementsAre("1 app 0", "2 main 2", "3 heavy 5", "4 light 1", "3 light 1"));
}

TEST(FlameTree, orders_equal_siblings_by_name_whatever_the_order_of_interning) {
  for (const bool is_b_first : {false, true}) {
    Profile profile;
    const auto none = profile.intern("");
    if (is_b_first) {
      profile.intern("b");
    }
    profile.add({none, none, {profile.intern("a")}}, 1);
    profile.add({none, none, {profile.intern("b")}}, 1);
    profile.add({none, none, {profile.intern("c")}}, 1);
    EXPECT_THAT(nodes_of(build_flame_tree(profile)),
                ElementsAre("1  0", "2 a 1", "2 b 1", "2 c 1"));
  }
}

TEST(FlameTree, tells_processes_apart_by_container) {
  Profile profile;
  const auto app = profile.intern("app");
  const auto main = profile.intern("main");
  profile.add({profile.intern("web-1"), app, {main}}, 1);
  profile.add({profile.intern("web-2"), app, {main}}, 2);
  profile.add({profile.intern(""), profile.intern("zsh"), {}}, 3);
  const FlameTree tree = build_flame_tree(profile);
  EXPECT_THAT(nodes_of(tree), ElementsAre("1 zsh 3", "1 app 0", "2 main 2", "1 app 0", "2 main 1"));
  std::vector<std::string> containers;
  for (const std::uint32_t id : tree.containers) {
    containers.push_back(tree.names[id]);
  }
  EXPECT_THAT(containers, ElementsAre("", "web-2", "web-1"));
}

TEST(FlameTree, leaves_out_names_that_no_stack_uses) {
  Profile profile;
  profile.intern("unused");
  profile.add({profile.intern(""), profile.intern("app"), {}}, 1);
  EXPECT_THAT(build_flame_tree(profile).names, ElementsAre("", "app"));
}

TEST(FlameTree, merges_names_that_look_alike_once_printable) {
  Profile profile;
  const auto none = profile.intern("");
  profile.add({none, none, {profile.intern("a\n")}}, 1);
  profile.add({none, none, {profile.intern("a\t")}}, 2);
  EXPECT_THAT(nodes_of(build_flame_tree(profile)), ElementsAre("1  0", "2 a? 3"));
}

TEST(FlameTree, of_nothing_is_empty) {
  EXPECT_TRUE(build_flame_tree(Profile()).nodes.empty());
}

}  // namespace
}  // namespace waggle
