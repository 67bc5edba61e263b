// SPDX-License-Identifier: Apache-2.0
#include "userspace/select/cgroup_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/select/fake_cgroups.h"

namespace waggle {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class FindCgroups : public testing::Test {
 protected:
  std::vector<std::string> found(std::string_view pattern) const {
    const auto cgroups = find_cgroups(pattern, host_.hierarchies());
    EXPECT_TRUE(cgroups) << cgroups.error().what;
    return host_.paths_of(cgroups.value_or(std::vector<Cgroup>()));
  }
  Error error_of(std::string_view pattern) const {
    const auto cgroups = find_cgroups(pattern, host_.hierarchies());
    EXPECT_FALSE(cgroups) << pattern;
    return cgroups ? Error{} : cgroups.error();
  }

  FakeCgroups host_;
};

TEST_F(FindCgroups, takes_the_first_hierarchy_that_has_a_relative_path) {
  host_.make("memory/web");
  EXPECT_THAT(found("web"), ElementsAre("memory/web"));
  host_.make("cpu/web");
  EXPECT_THAT(found("web"), ElementsAre("cpu/web"));
  host_.make("unified/web");
  EXPECT_THAT(found("web"), ElementsAre("unified/web"));
  EXPECT_THAT(found("/web/"), ElementsAre("unified/web")) << "as /proc/PID/cgroup has it";
}

TEST_F(FindCgroups, takes_the_hierarchy_that_a_path_below_its_mount_says) {
  host_.make("unified/web/a");
  host_.make("cpu/web/a");
  EXPECT_THAT(found(host_.at("cpu/web/a")), ElementsAre("cpu/web/a"));
  EXPECT_THAT(found(host_.at("cpu/web//./a/")), ElementsAre("cpu/web/a"));
  EXPECT_THAT(found(host_.at("cpu/*/a")), ElementsAre("cpu/web/a"));
}

TEST_F(FindCgroups, follows_the_symbolic_links_beside_the_mounts) {
  host_.make("cpu/web");
  std::filesystem::create_directory_symlink(host_.at("cpu"), host_.at("cpuacct"));
  EXPECT_THAT(found(host_.at("cpuacct/web")), ElementsAre("cpu/web"));
}

TEST_F(FindCgroups, tells_hierarchy_and_id) {
  host_.make("cpu/web");
  const auto cgroups = find_cgroups("web", host_.hierarchies());
  ASSERT_TRUE(cgroups);
  ASSERT_EQ(cgroups->size(), 1U);
  struct stat status{};
  ASSERT_EQ(::stat(host_.at("cpu/web").c_str(), &status), 0);
  EXPECT_EQ(cgroups->front().hierarchy, SEL_V1_cpu);
  EXPECT_EQ(cgroups->front().id, status.st_ino);
}

TEST_F(FindCgroups, matches_globs_within_a_component) {
  for (const std::string_view name : {"web-1", "web-2", "web-10", "db-1", "web-1/inner"}) {
    host_.make("cpu/" + std::string(name));
  }
  EXPECT_THAT(found("web-*"), ElementsAre("cpu/web-1", "cpu/web-10", "cpu/web-2"));
  EXPECT_THAT(found("web-?"), ElementsAre("cpu/web-1", "cpu/web-2"));
  EXPECT_THAT(found("[wd]*-1"), ElementsAre("cpu/db-1", "cpu/web-1"));
  EXPECT_THAT(found("*/inner"), ElementsAre("cpu/web-1/inner"));
}

TEST_F(FindCgroups, takes_an_existing_name_for_itself) {
  host_.make("cpu/a*b");
  host_.make("cpu/axb");
  host_.make(R"(cpu/dev-disk\x2dby.mount)");
  host_.make(R"(cpu/dev-disk\x2dto.mount)");
  EXPECT_THAT(found("a*b"), ElementsAre("cpu/a*b"));
  EXPECT_THAT(found(R"(dev-disk\x2dby.mount)"), ElementsAre(R"(cpu/dev-disk\x2dby.mount)"));
  EXPECT_THAT(found(R"(dev-disk\x2d*)"),
              ElementsAre(R"(cpu/dev-disk\x2dby.mount)", R"(cpu/dev-disk\x2dto.mount)"));
}

TEST_F(FindCgroups, does_not_leave_the_hierarchy) {
  host_.make("cpu/web");
  EXPECT_EQ(error_of("../../../../../../../etc").code, Errc::not_found);
  EXPECT_EQ(error_of("/etc").code, Errc::not_found);
  EXPECT_THAT(found("../cpu/web"), ElementsAre("cpu/web")) << "found in cpu, not by way of v2";
}

TEST_F(FindCgroups, takes_no_file_for_a_cgroup) {
  const std::ofstream file(host_.at("cpu/cgroup.procs"));
  EXPECT_EQ(error_of("cgroup.procs").code, Errc::not_found);
  EXPECT_EQ(error_of("cgroup.*").code, Errc::not_found);
}

TEST_F(FindCgroups, says_where_it_looked) {
  const Error error = error_of("web");
  EXPECT_EQ(error.code, Errc::not_found);
  EXPECT_THAT(error.what, AllOf(HasSubstr("no cgroup is named that"),
                                HasSubstr("v2 at " + host_.at("unified") + ", cpu at "),
                                HasSubstr("systemd-cgls")));
  EXPECT_THAT(error_of("web*").what, HasSubstr("no cgroup matches that"));
}

TEST_F(FindCgroups, refuses_a_hierarchy_without_a_controller_by_name) {
  host_.make("systemd/web");
  EXPECT_THAT(error_of(host_.at("systemd/web")).what, HasSubstr("lies in name=systemd"));
  EXPECT_EQ(error_of("web").code, Errc::not_found);
}

TEST_F(FindCgroups, refuses_more_than_its_limit) {
  for (const std::string_view name : {"a", "b", "c"}) {
    host_.make("cpu/" + std::string(name));
  }
  const auto refused = find_cgroups("*", host_.hierarchies(), 2);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::exhausted);
  const auto found = find_cgroups("*", host_.hierarchies(), 3);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->size(), 3U);
}

}  // namespace
}  // namespace waggle
