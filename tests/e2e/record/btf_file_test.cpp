// SPDX-License-Identifier: Apache-2.0
// `waggle record --btf FILE` where the kernel's own types are out of sight, on programs of known
// shape (tests/programs).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tests/temp_dir.h"
#include "tests/test_cgroup.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {
namespace {

using testing::HasSubstr;
using Words = std::vector<std::string>;

const std::string kTypes = "/sys/kernel/btf/vmlinux";
const Words kWithoutBtf = {"unshare", "--mount", "sh", "-c",
                           "mount -t tmpfs none /sys/kernel/btf && exec \"$0\" \"$@\""};

class BtfFile : public testing::Test {
 protected:
  void SetUp() override {
    if (::access(kTypes.c_str(), R_OK) != 0) {
      GTEST_SKIP() << "this kernel has no " << kTypes << " to be copied";
    }
    std::filesystem::copy_file(kTypes, types_);
  }

  WaggleResult record(const Words& more) const {
    Words words = {"record", "--btf", types_, "-d", "2", "-F", "199", "-o", "-"};
    words.insert(words.end(), more.begin(), more.end());
    return run_waggle(words, kWithoutBtf);
  }

  TempDir place_;
  std::string types_ = place_.path() + "/types";
};

// Of `recursion 10`.
void expect_stacks_of_the_kernel(const WaggleResult& result, const std::string& types) {
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_EQ(file.header["waggle"]["engine"], "ebpf") << result.err;
  EXPECT_EQ(file.header["waggle"]["engine_reason"], "BTF of " + types + " and BPF are usable");
  EXPECT_TRUE(file.adds_up());
  EXPECT_GT(file.count_of("recursion"), 100U);
  std::string frames = ";main";
  for (int i = 0; i < 10; ++i) {
    frames += ";recurse";
  }
  EXPECT_GE(file.share_of("recursion", frames + ";burn"), 0.9) << file.text_of("recursion");
}

TEST_F(BtfFile, gives_whole_stacks_where_the_kernel_has_no_types) {
  const TestProgram program({RECURSION, "10"});
  expect_stacks_of_the_kernel(record({"-p", std::to_string(program.pid())}), types_);
}

// Cgroups are matched by other fields of the kernel, without the types of pointers.
TEST_F(BtfFile, serves_for_cgroups) {
  for (const bool is_v2 : {false, true}) {
    const auto hierarchy = TestCgroup::hierarchy(is_v2);
    if (!hierarchy) {
      continue;
    }
    const TestCgroup cgroup(*hierarchy, "waggle_btf_file");
    const TestProgram inside({RECURSION, "10"});
    const TestProgram outside({SHARES});
    cgroup.take(inside.pid());
    const WaggleResult result = record({"--cgroup", cgroup.path()});
    expect_stacks_of_the_kernel(result, types_);
    EXPECT_EQ(CollapsedFile::parse(result.out).count_of("shares"), 0U);
  }
}

TEST_F(BtfFile, is_refused_where_it_is_none) {
  const std::string file = place_.path() + "/other";
  ASSERT_TRUE(write_file_atomically(file, "no types\n"));
  const std::vector<std::pair<std::string, std::string>> cases = {
      {file, "--btf: " + file + " has no BTF\n"},
      {"/proc/version", "--btf: /proc/version has no BTF\n"},
      {"/nonexistent", "--btf: /nonexistent: No such file or directory\n"}};
  for (const auto& [path, complaint] : cases) {
    for (const Words& verb : {Words{"record", "-d", "1", "-o", "-"}, Words{"doctor"}}) {
      Words words = verb;
      words.insert(words.end(), {"--btf", path});
      const WaggleResult result = run_waggle(words);
      EXPECT_EQ(result.status, 2) << result.err;
      EXPECT_THAT(result.err, HasSubstr(complaint));
    }
  }
}

TEST_F(BtfFile, is_told_by_doctor) {
  const WaggleResult result = run_waggle({"doctor", "--btf", types_}, kWithoutBtf);
  EXPECT_EQ(result.status, 0) << result.out;
  EXPECT_THAT(result.out, HasSubstr(types_ + ", in place of the kernel's own"));
  EXPECT_THAT(result.out, HasSubstr("ebpf: BTF of " + types_ + " and BPF are usable"));
}

}  // namespace
}  // namespace waggle
