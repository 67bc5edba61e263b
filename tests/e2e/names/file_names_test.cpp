// SPDX-License-Identifier: Apache-2.0
// Names of code in files: of every form, deleted, replaced, forged.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>

#include "base/unique_c.h"
#include "bpf/abi/process.h"
#include "tests/e2e/names/names.h"

namespace waggle {
namespace {

constexpr const char* kRecursion = ";main;recurse;recurse;recurse;burn";

// Whether some waggle's kernel side knows the mappings of the process.
bool is_followed(pid_t pid) {
  for (__u32 id = 0; ::bpf_map_get_next_id(id, &id) == 0;) {
    const UniqueFd map(::bpf_map_get_fd_by_id(id));
    bpf_map_info info{};
    __u32 size = sizeof(info);
    if (!map.is_open() || ::bpf_obj_get_info_by_fd(map.get(), &info, &size) != 0 ||
        std::string_view(info.name) != "proc_mappings") {
      continue;
    }
    process_id key{};
    const process_id* previous = nullptr;
    while (::bpf_map_get_next_key(map.get(), previous, &key) == 0) {
      if (key.tgid == static_cast<__u32>(pid)) {
        return true;
      }
      previous = &key;
    }
  }
  return false;
}

// Until waggle has named samples of the process: its mappings are followed from the first one on,
// and the names are read within a tick of 100 ms.
void wait_until_named(pid_t pid) {
  for (int i = 0; i < 200 && !is_followed(pid); ++i) {
    ::usleep(20'000);
  }
  ASSERT_TRUE(is_followed(pid));
  ::usleep(500'000);
}

class FormOfProgram : public testing::TestWithParam<std::string> {};

TEST_P(FormOfProgram, has_all_its_names) {
  const TestProgram running({program("recursion_" + GetParam()), "3"});
  const CollapsedFile file = record_pid(running.pid());
  const std::string comm = ("recursion_" + GetParam()).substr(0, 15);
  ASSERT_GT(file.count_of(comm), 50U);
  EXPECT_GE(file.share_of(comm, kRecursion), 0.98) << file.text_of(comm);
}

INSTANTIATE_TEST_SUITE_P(Forms, FormOfProgram,
                         testing::Values("pie", "fixed", "static", "static_pie"),
                         [](const auto& form) { return form.param; });

using Pipe = std::unique_ptr<FILE, Deleter<::pclose>>;

// The function at an address of a file, by addr2line.
std::string function_at(const std::string& file, const std::string& address) {
  const Pipe pipe(::popen(fmt::format("addr2line -f -e {} {}", file, address).c_str(), "r"));
  CHECK(pipe != nullptr);
  std::array<char, 256> line{};
  CHECK(std::fgets(line.data(), line.size(), pipe.get()) != nullptr);
  return std::string(line.data(), std::strcspn(line.data(), "\n"));
}

TEST(StrippedProgram, shows_addresses_that_addr2line_takes) {
  const TestProgram running({program("recursion_stripped"), "3"});
  const CollapsedFile file = record_pid(running.pid());
  constexpr std::string_view kPrefix = "(recursion_stripped+";
  std::uint64_t right = 0;
  for (const auto& line : file.lines) {
    std::string stack;
    for (const std::string& frame : line.frames) {
      if (frame.starts_with(kPrefix)) {
        const std::string address = frame.substr(kPrefix.size(), frame.size() - kPrefix.size() - 1);
        stack += ";" + function_at(program("recursion_pie"), address);
      }
    }
    right += stack.ends_with(kRecursion) ? line.count : 0;  // after _start
  }
  ASSERT_GT(file.total(), 50U);
  EXPECT_GE(static_cast<double>(right) / static_cast<double>(file.total()), 0.98)
      << file.text_of("recursion_strip");
}

TEST(DeletedProgram, keeps_its_names) {
  const Copy copy("recursion_pie", "deleted");
  const TestProgram running({copy.path(), "3"});
  copy.unlink();
  const CollapsedFile file = record_pid(running.pid());
  EXPECT_GE(file.share_of("deleted", kRecursion), 0.98) << file.text_of("deleted");
}

TEST(DeletedProgram, keeps_its_names_while_it_is_recorded) {
  const Copy copy("recursion_pie", "deleted");
  const TestProgram running({copy.path(), "3"});
  WaggleRun run({"record", "-d", "3", "-o", "-", "-p", std::to_string(running.pid())});
  wait_until_named(running.pid());
  copy.unlink();
  const CollapsedFile file = profile_of(run.wait());
  ASSERT_GT(file.count_of("deleted"), 50U);
  EXPECT_GE(file.share_of("deleted", kRecursion), 0.98) << file.text_of("deleted");
}

// Each child execs a file that has no name any more.
TEST(DeletedProgram, keeps_its_names_in_children_that_live_for_50_ms) {
  const Copy copy("family", "deleted");
  const TestProgram running({copy.path(), "1000", "50", "exec"});
  copy.unlink();
  const CollapsedFile file =
      record({"-d", "2", "-F", "199", "--children", "-p", std::to_string(running.pid())});
  ASSERT_GT(file.count_of("exe"), 100U);
  EXPECT_GE(file.share_of("exe", ";main;burn_after_exec;burn"), 0.95) << file.text_of("exe");
  EXPECT_LE(file.share_of("exe", "[unknown"), 0.01) << file.text_of("exe");
}

TEST(UnmountedFileSystem, is_not_kept_from_it_while_it_is_recorded) {
  const TempDir place;
  if (::mount("tmpfs", place.path().c_str(), "tmpfs", 0, "size=8m") != 0) {
    GTEST_SKIP() << "cannot mount a tmpfs: " << std::strerror(errno);
  }
  const std::string copy = place.path() + "/unmounted";
  std::filesystem::copy_file(program("recursion_pie"), copy);
  WaggleRun run({"record", "-d", "3", "-F", "199", "-o", "-"});
  {
    const TestProgram running({copy, "3"});
    wait_until_named(running.pid());
  }
  EXPECT_EQ(::umount(place.path().c_str()), 0) << std::strerror(errno);
  const CollapsedFile file = profile_of(run.wait());
  ASSERT_GT(file.count_of("unmounted"), 50U);
  EXPECT_GE(file.share_of("unmounted", kRecursion), 0.98) << file.text_of("unmounted");
}

class PluginTest : public testing::Test {
 protected:
  // The names that belong to the library that is mapped, and none of the other.
  void expect_only(const CollapsedFile& file, const std::string& work, const std::string& other) {
    ASSERT_GT(file.count_of("loader"), 50U);
    EXPECT_GE(file.share_of("loader", ";main;plugin_run;" + work), 0.98) << file.text_of("loader");
    EXPECT_EQ(file.count_of("loader", other), 0U) << file.text_of("loader");
  }
  WaggleRun start_recording(const TestProgram& loader) {
    return WaggleRun(
        {"record", "-d", "3", "-F", "199", "-o", "-", "-p", std::to_string(loader.pid())});
  }

  Copy library_{"libplugin_old_work.so", "plugin.so"};
  TestProgram loader_{{program("loader"), library_.path()}};
};

TEST_F(PluginTest, keeps_its_names_when_it_is_deleted) {
  library_.unlink();
  expect_only(record_pid(loader_.pid()), "old_work", "new_work");
}

TEST_F(PluginTest, keeps_its_names_when_it_was_replaced) {
  library_.replace("libplugin_new_work.so");
  expect_only(record_pid(loader_.pid()), "old_work", "new_work");
}

TEST_F(PluginTest, keeps_its_names_when_it_is_replaced_while_it_is_recorded) {
  WaggleRun run = start_recording(loader_);
  wait_until_named(loader_.pid());
  library_.replace("libplugin_new_work.so");
  expect_only(profile_of(run.wait()), "old_work", "new_work");
}

// Whose names were not read yet has none: what is in the file now says nothing of the samples.
TEST_F(PluginTest, never_gets_new_names_when_it_is_overwritten_while_it_is_recorded) {
  WaggleRun run = start_recording(loader_);
  wait_until_named(loader_.pid());
  const std::string text = read_file(program("libplugin_new_work.so"), 1 << 20).value();
  const UniqueFd fd = open_file(library_.path(), O_WRONLY).value();
  ASSERT_TRUE(write_all(fd.get(), text));
  const CollapsedFile file = profile_of(run.wait());
  ASSERT_GT(file.count_of("loader"), 50U);
  EXPECT_GE(file.share_of("loader", ";main;plugin_run;old_work") +
                file.share_of("loader", ";main;(plugin.so+0x"),
            0.98)
      << file.text_of("loader");
  EXPECT_EQ(file.count_of("loader", "new_work"), 0U) << file.text_of("loader");
}

TEST_F(PluginTest, has_the_new_names_once_it_is_loaded_again) {
  WaggleRun run = start_recording(loader_);
  wait_until_named(loader_.pid());
  library_.replace("libplugin_new_work.so");
  ASSERT_EQ(::kill(loader_.pid(), SIGUSR1), 0);
  ASSERT_EQ(loader_.read_line(), "ready");
  const CollapsedFile both = profile_of(run.wait());
  const double old_share = both.share_of("loader", ";plugin_run;old_work");
  const double new_share = both.share_of("loader", ";plugin_run;new_work");
  EXPECT_GE(old_share + new_share, 0.97) << both.text_of("loader");
  EXPECT_GT(old_share, 0);
  EXPECT_GT(new_share, 0);
  expect_only(record_pid(loader_.pid()), "new_work", "old_work");
}

// Both libraries carry the C library's build id and have equal sizes and addresses; the forger sees
// its own at the very path where the victim sees the true one.
TEST(ForgedLibrary, changes_nobodys_names) {
  const Copy truth("libplugin_old_work.so", "plugin.so");
  const Copy forgery("libplugin_new_work.so", "plugin.so");
  const Copy victims_program("loader", "victim");
  const Copy forgers_program("loader", "forger");
  const std::string command = fmt::format("mount --bind {} {} && exec {} {}", forgery.path(),
                                          truth.path(), forgers_program.path(), truth.path());
  const TestProgram forger({"unshare", "--mount", "sh", "-c", command});
  const TestProgram victim({victims_program.path(), truth.path()});
  const CollapsedFile file = record({"-d", "2", "-F", "199"});
  ASSERT_GT(file.count_of("victim"), 50U);
  ASSERT_GT(file.count_of("forger"), 50U);
  EXPECT_GE(file.share_of("victim", ";main;plugin_run;old_work"), 0.98) << file.text_of("victim");
  EXPECT_GE(file.share_of("forger", ";main;plugin_run;new_work"), 0.98) << file.text_of("forger");
  EXPECT_EQ(file.count_of("victim", "new_work"), 0U);
  EXPECT_EQ(file.count_of("forger", "old_work"), 0U);
}

}  // namespace
}  // namespace waggle
