// SPDX-License-Identifier: Apache-2.0
// `waggle record` of cgroups, containers and names: shares runs in what is chosen, recursion beside
// it.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "tests/temp_dir.h"
#include "tests/test_cgroup.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using Words = std::vector<std::string>;

struct Recorded {
  CollapsedFile file;
  std::string err;
};

Recorded record(Words arguments) {
  arguments.insert(arguments.begin(), {"record", "-d", "1", "-F", "199", "-o", "-"});
  const WaggleResult result = run_waggle(arguments);
  EXPECT_EQ(result.status, 0) << result.err;
  return {.file = CollapsedFile::parse(result.out), .err = result.err};
}

// The line of a process in the output of --dry-run, or "".
std::string line_of(const std::string& list, const TestProgram& program) {
  for (const std::string_view line : split(list, '\n')) {
    const std::size_t digits = line.find_first_not_of(' ');
    if (digits != std::string_view::npos &&
        line.substr(digits).starts_with(std::to_string(program.pid()) + " ")) {
      return std::string(line);
    }
  }
  return "";
}

class SelectCgroup : public CgroupTest {
 protected:
  void use_what_counts_cpu() {
    if (GetParam() || hierarchy_->name.find("cpuacct") != std::string::npos) {
      return;
    }
    for (const CgroupHierarchy& hierarchy : TestCgroup::hierarchies()) {
      if (hierarchy.name.find("cpuacct") != std::string::npos) {
        hierarchy_ = hierarchy;
      }
    }
  }
};

TEST_P(SelectCgroup, records_the_chosen_one_alone) {
  const auto chosen = make("waggle_e2e_chosen");
  const auto other = make("waggle_e2e_other");
  const TestProgram in_chosen({SHARES});
  const TestProgram in_other({RECURSION, "10"});
  chosen->take(in_chosen.pid());
  other->take(in_other.pid());
  for (const std::string& path : {std::string("waggle_e2e_chosen"), chosen->path()}) {
    const Recorded recorded = record({"--cgroup", path});
    EXPECT_GT(recorded.file.count_of("shares"), 0U);
    EXPECT_EQ(recorded.file.count_of("shares"), recorded.file.total());
    EXPECT_TRUE(recorded.file.adds_up());
    EXPECT_THAT(recorded.err, HasSubstr("in " + hierarchy_->name + ": " + chosen->path()));
  }
}

TEST_P(SelectCgroup, takes_globs_children_and_exclusions) {
  const auto first = make("waggle_e2e_1");
  const auto second = make("waggle_e2e_2");
  const auto below = make("waggle_e2e_2/below");
  const auto left_out = make("waggle_e2e_2/below/out");
  const TestProgram in_below({SHARES});
  const TestProgram in_left_out({RECURSION, "10"});
  below->take(in_below.pid());
  left_out->take(in_left_out.pid());
  const Recorded both = record({"--cgroup", "waggle_e2e_?"});
  EXPECT_GT(both.file.count_of("shares"), 0U);
  EXPECT_GT(both.file.count_of("recursion"), 0U);
  const Recorded one =
      record({"--cgroup", "waggle_e2e_*", "--cgroup-exclude", "waggle_e2e_2/below/out"});
  EXPECT_GT(one.file.count_of("shares"), 0U);
  EXPECT_EQ(one.file.count_of("shares"), one.file.total());
}

TEST_P(SelectCgroup, takes_a_container_by_the_beginning_of_its_id) {
  const std::string id = "e2e0" + std::string(60, 'a');
  const auto container = make("docker-" + id + ".scope");
  const auto payload = make("docker-" + id + ".scope/init.scope");
  const TestProgram inside({SHARES});
  const TestProgram outside({RECURSION, "10"});
  payload->take(inside.pid());
  const Recorded recorded = record({"--container", "e2e0a"});
  EXPECT_GT(recorded.file.count_of("shares"), 0U);
  EXPECT_EQ(recorded.file.count_of("shares"), recorded.file.total());
}

TEST_P(SelectCgroup, lists_who_matches_without_recording) {
  const auto chosen = make("waggle_e2e_\x1b[2J");  // names are others' to choose
  const TestProgram inside({SHARES});
  const TestProgram outside({RECURSION, "10"});
  chosen->take(inside.pid());
  WaggleRun run({"record", "--dry-run", "--cgroup", chosen->path()});
  const std::string directory = run.directory();
  const WaggleResult result = run.wait();
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(line_of(result.out, inside),
              AllOf(HasSubstr(" shares "), HasSubstr("cgroup " + hierarchy_->directory)));
  EXPECT_EQ(std::ranges::count(result.out, '\n'), 1);
  EXPECT_THAT(result.out + result.err, Not(HasSubstr("\x1b")));
  EXPECT_THAT(result.err, HasSubstr("1 process"));
  EXPECT_TRUE(std::filesystem::is_empty(directory));
}

TEST_P(SelectCgroup, must_hold_the_process_that_is_given_too) {
  const auto chosen = make("waggle_e2e_chosen");
  const TestProgram inside({SHARES});
  const TestProgram beside({SHARES});
  const TestProgram outside({RECURSION, "10"});
  chosen->take(inside.pid());
  chosen->take(beside.pid());
  const std::string pids = fmt::format("{},{}", inside.pid(), outside.pid());
  const WaggleResult list =
      run_waggle({"record", "--dry-run", "--cgroup", chosen->path(), "-p", pids});
  EXPECT_THAT(line_of(list.out, inside), HasSubstr("--pids"));
  EXPECT_EQ(std::ranges::count(list.out, '\n'), 1);
  const Recorded recorded = record({"--cgroup", chosen->path(), "-p", pids});
  EXPECT_GT(recorded.file.count_of("shares"), 0U);
  EXPECT_EQ(recorded.file.count_of("recursion"), 0U);
}

// As `bpftool map update` and others take a key or value.
template <class T>
std::string as_hex(const T& value) {
  std::string text = "hex";
  for (const auto byte : std::bit_cast<std::array<unsigned char, sizeof(T)>>(value)) {
    text += fmt::format(" {:02x}", byte);
  }
  return text;
}

TEST_P(SelectCgroup, is_shown_and_changed_by_bpftool) {
  const TempDir dir;
  const std::string mount = dir.path() + "/bpf";
  std::filesystem::create_directory(mount);
  if (::mount("bpf", mount.c_str(), "bpf", 0, nullptr) != 0) {
    GTEST_SKIP() << "no BPF file system can be mounted here: " << std::strerror(errno);
  }
  {
    const auto chosen = make("waggle_e2e_chosen");
    const auto other = make("waggle_e2e_other");
    const TestProgram in_chosen({SHARES});
    const TestProgram in_other({RECURSION, "10"});
    chosen->take(in_chosen.pid());
    other->take(in_other.pid());
    const std::string pins = mount + "/waggle";
    WaggleRun run({"record", "-d", "60", "-o", "-", "--cgroup", chosen->path(), "--pin", pins});
    const auto bpftool = [&](const std::string& arguments) {
      const std::string command =
          fmt::format("PATH=$PATH:/usr/sbin bpftool {} >{}/out 2>&1", arguments, dir.path());
      return std::system(command.c_str()) == 0 ? read_file(dir.path() + "/out", 1 << 20).value()
                                               : "";
    };
    const std::string map = "pinned " + pins + "/sel_cgroups";
    const std::string shown = fmt::format("\"id\": {}", chosen->cgroup().id);
    std::string dump;
    for (int i = 0; i < 100 && dump.find(shown) == std::string::npos; ++i) {
      ::usleep(50'000);
      dump = bpftool("map dump " + map);
    }
    EXPECT_THAT(dump, HasSubstr(shown));
    const Cgroup added = other->cgroup();
    const std::string key =
        as_hex(sel_cgroup{.id = added.id, .hierarchy = added.hierarchy, .pad_ = 0});
    (void)bpftool(fmt::format("map update {} key {} value {}", map, key,
                              as_hex(std::uint32_t{SEL_CGROUP_INCLUDED})));
    EXPECT_THAT(bpftool("map dump " + map), HasSubstr(fmt::format("\"id\": {}", added.id)));
    ::sleep(1);  // there is no event to wait for: samples must be taken
    ASSERT_EQ(::kill(run.pid(), SIGINT), 0);
    const WaggleResult result = run.wait();
    ASSERT_EQ(result.status, 0) << result.err;
    const CollapsedFile file = CollapsedFile::parse(result.out);
    EXPECT_GT(file.count_of("shares"), 0U);
    EXPECT_GT(file.count_of("recursion"), 0U);
    EXPECT_EQ(file.count_of("shares") + file.count_of("recursion"), file.total());
  }
  EXPECT_EQ(::umount(mount.c_str()), 0);
}

// The containers that a program's samples are in.
std::vector<std::string> containers_of(const CollapsedFile& file, std::string_view comm) {
  std::set<std::string> containers;
  for (const CollapsedFile::Line& line : file.lines) {
    if (line.comm == comm) {
      containers.insert(line.container);
    }
  }
  return {containers.begin(), containers.end()};
}

TEST_P(SelectCgroup, tells_the_container_of_each_sample) {
  const std::string first = "e2e1" + std::string(60, 'a');
  const std::string second = "e2e2" + std::string(60, 'b');
  const auto docker = make("docker-" + first + ".scope");
  const auto payload = make("docker-" + first + ".scope/init.scope");
  const auto pod = make("kubepods-burstable-pod5f1d3a8e_0c5b.slice");
  const auto containerd =
      make("kubepods-burstable-pod5f1d3a8e_0c5b.slice/cri-containerd-" + second + ".scope");
  const TestProgram in_first({SHARES});
  const TestProgram in_second({RECURSION, "10"});
  const TestProgram in_none({THREADS});
  payload->take(in_first.pid());
  containerd->take(in_second.pid());
  pod->take(in_none.pid());
  const std::string pids = fmt::format("{},{},{}", in_first.pid(), in_second.pid(), in_none.pid());
  for (const std::string engine : {"ebpf", "fallback"}) {
    const Recorded recorded = record({"--engine", engine, "-p", pids});
    EXPECT_THAT(containers_of(recorded.file, "shares"), ElementsAre(first)) << engine;
    EXPECT_THAT(containers_of(recorded.file, "recursion"), ElementsAre(second)) << engine;
    EXPECT_THAT(containers_of(recorded.file, "threads"), ElementsAre("")) << engine;
    EXPECT_THAT(recorded.file.header["containers"].get<std::vector<std::string>>(),
                ElementsAre(first, second))
        << engine;
    EXPECT_TRUE(recorded.file.adds_up());
  }
}

// Nothing of them is left to be asked when their samples are looked at.
TEST_P(SelectCgroup, tells_the_container_of_processes_that_live_for_a_moment) {
  const std::string id = "e2e3" + std::string(60, 'c');
  const auto container = make("docker-" + id + ".scope");
  const TestProgram shell(
      {"sh", "-c", "echo ready; while :; do timeout 0.03 sha256sum /dev/zero; done"});
  container->take(shell.pid());
  const Recorded recorded =
      record({"--engine", "ebpf", "-p", std::to_string(shell.pid()), "--children"});
  EXPECT_THAT(containers_of(recorded.file, "sha256sum"), ElementsAre(id));
}

// Of two busy cgroups and many idle ones the busiest; a host's own cgroups are busy or not.
TEST_P(SelectCgroup, records_the_busiest_containers_alone) {
  use_what_counts_cpu();
  const std::string busy = "e2e5" + std::string(60, 'a');
  const std::string idle = "e2e5" + std::string(60, 'b');
  const auto in_busy = make("docker-" + busy + ".scope");
  const auto in_idle = make("docker-" + idle + ".scope");
  const auto beside = make("waggle_e2e_beside");
  const TestProgram first({SHARES});
  const TestProgram second({"sh", "-c", "echo ready; while :; do sleep 0.02; done"});
  const TestProgram third({RECURSION, "10"});
  in_busy->take(first.pid());
  in_idle->take(second.pid());
  beside->take(third.pid());
  const Recorded recorded = record(
      {"--perf-use-cgroups", "--perf-max-cgroups", "0", "--perf-max-docker-containers", "1"});
  EXPECT_GT(recorded.file.count_of("shares"), 0U);
  EXPECT_EQ(recorded.file.count_of("shares"), recorded.file.total());
  EXPECT_THAT(containers_of(recorded.file, "shares"), ElementsAre(busy));
  EXPECT_THAT(recorded.file.header["waggle"]["excluded"].dump(),
              AllOf(HasSubstr("--perf-max-docker-containers 1: "), HasSubstr(" containers"),
                    HasSubstr("--perf-max-cgroups 0: "), HasSubstr(" other cgroups")));
  const Recorded both = record({"--perf-use-cgroups", "--perf-max-cgroups", "2"});
  EXPECT_GT(both.file.count_of("shares"), 0U);
  EXPECT_GT(both.file.count_of("recursion"), 0U);
}

TEST_P(SelectCgroup, records_a_busy_cgroup_alone_that_has_an_idle_child) {
  use_what_counts_cpu();
  const auto parent = make("waggle_e2e_parent");
  const auto child = make("waggle_e2e_parent/child");
  const TestProgram in_parent({SHARES});
  parent->take(in_parent.pid());
  const WaggleResult list = run_waggle({"record", "--dry-run", "--perf-use-cgroups"});
  EXPECT_THAT(line_of(list.out, in_parent), HasSubstr("cgroup " + parent->path()));
  const Recorded recorded = record({"--perf-use-cgroups"});
  EXPECT_GT(recorded.file.count_of("shares"), 0U);
}

INSTANTIATE_TEST_SUITE_P(Versions, SelectCgroup, testing::Bool(),
                         [](const auto& instance) { return instance.param ? "v2" : "v1"; });

TEST(Select, records_processes_of_a_name_alone) {
  const TestProgram chosen({SHARES});
  const TestProgram other({RECURSION, "10"});
  const Recorded recorded = record({"--comm", "nobody", "--comm", "shares"});
  EXPECT_GT(recorded.file.count_of("shares"), 0U);
  EXPECT_EQ(recorded.file.count_of("shares"), recorded.file.total());
}

TEST(Select, lists_the_whole_host_when_nothing_is_chosen) {
  const TestProgram program({SHARES});
  const WaggleResult result =
      run_waggle({"record", "--dry-run"}, {"setpriv", "--reuid=65534", "--clear-groups"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(line_of(result.out, program), HasSubstr("the whole host"));
}

TEST(Select, records_nothing_where_no_container_is_found) {
  const WaggleResult result =
      run_waggle({"record", "-d", "1", "-o", "-", "--perf-use-cgroups", "--perf-max-cgroups", "0",
                  "--perf-max-docker-containers", "5"});
  EXPECT_EQ(result.status, 4) << result.err;
  EXPECT_THAT(result.err, HasSubstr("no cgroup was found in "));
  EXPECT_THAT(result.out, IsEmpty());
}

TEST(Select, writes_no_file_when_nothing_ran_in_the_cgroup) {
  const auto hierarchies = TestCgroup::hierarchies();
  if (hierarchies.empty()) {
    GTEST_SKIP() << "no cgroup can be made here";
  }
  const TestCgroup empty(hierarchies.front(), "waggle_e2e_empty");
  WaggleRun run({"record", "-d", "1", "--cgroup", empty.path()});
  const std::string directory = run.directory();
  const WaggleResult result = run.wait();
  EXPECT_EQ(result.status, 4) << result.err;
  EXPECT_THAT(result.err, HasSubstr("no samples: the selected processes used no CPU time"));
  EXPECT_THAT(result.out, IsEmpty());
  EXPECT_TRUE(std::filesystem::is_empty(directory));
}

}  // namespace
}  // namespace waggle
