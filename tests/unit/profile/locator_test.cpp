// SPDX-License-Identifier: Apache-2.0
// From raw stacks to names, on processes that exist in a directory like /proc alone.
#include "userspace/profile/locator.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "bpf/abi/frame.h"
#include "bpf/abi/markers.h"
#include "tests/fake_proc.h"
#include "userspace/profile/resolver.h"

namespace waggle {
namespace {

// No process of the host has it, so that nothing outside the directory is found.
constexpr std::uint32_t kPid = 999'999'999;
constexpr std::uint64_t kStartNs = 100'000'000'000;
constexpr std::uint64_t kCode = 0x7f00'0000'0000;
constexpr std::uint64_t kTimeNs = 200'000'000'000;

class LocatorTest : public testing::Test {
 protected:
  void put(const std::string& maps) {
    proc_.put({.pid = kPid, .comm = "app", .start_ticks = kStartNs / kTickNs, .maps = maps});
    ASSERT_TRUE(table_.scan());
  }
  static std::string code(const std::string& what) {
    return fmt::format("{:x}-{:x} r-xp {}\n", kCode, kCode + 0x10000, what);
  }
  static std::uint64_t user(std::uint64_t address) { return frame_make(FRAME_USER, address); }

  void add(const std::vector<std::uint64_t>& frames, std::uint32_t exec_id = 1,
           std::uint32_t pid = kPid) {
    cpu_count_key key{};
    key.process = {pid, exec_id, kStartNs};
    std::strcpy(key.comm, "thread-name");
    locator_.add(key, 1, kTimeNs, frames);
  }
  // "comm;frame;frame": of the only stack.
  std::string named() {
    Profile profile;
    FrameNamer namer(1 << 20);
    namer.add(locator_.take(), profile);
    CHECK(profile.counts().size() == 1);
    const Profile::Stack& stack = profile.counts().begin()->first;
    std::string text(profile.name(stack.comm));
    for (const Profile::NameId frame : stack.frames) {
      text += ";" + std::string(profile.name(frame));
    }
    return text;
  }

  FakeProc proc_;
  ProcessTable table_{ProcFs(proc_.path()), {}, [] { return TableClock{kTimeNs, 0}; }};
  Locator locator_{table_};
};

TEST_F(LocatorTest, shows_root_first_where_each_address_lies) {
  put(code("00000000 00:00 0"));
  add({user(kCode + 1), user(kCode + 2)});
  EXPECT_EQ(named(), "app;([anon]+0x7f0000000002);([anon]+0x7f0000000001)");
}

// The process is gone, and no file of that inode is to be found.
TEST_F(LocatorTest, shows_the_address_in_a_file_that_cannot_be_opened) {
  put(code("00002000 08:01 1 /nonexistent/libx.so (deleted)"));
  add({user(kCode + 0x10)});
  EXPECT_EQ(named(), "app;(libx.so+0x2010)");
}

TEST_F(LocatorTest, names_a_region_by_its_own_name) {
  put(code("00000000 00:00 0 [heap]"));
  add({user(kCode)});
  EXPECT_EQ(named(), "app;([heap]+0x7f0000000000)");
}

TEST_F(LocatorTest, marks_a_leaf_outside_all_mappings) {
  put(code("00000000 00:00 0"));
  add({user(0x1000), user(kCode)});
  EXPECT_EQ(named(), "app;([anon]+0x7f0000000000);[unknown mapping]");
}

TEST_F(LocatorTest, ends_a_stack_at_a_return_address_that_is_no_code) {
  put(code("00000000 00:00 0"));
  add({user(kCode), user(0x2000), user(kCode)});
  EXPECT_EQ(named(), "app;[truncated: no unwind info];([anon]+0x7f0000000000)");
  EXPECT_EQ(locator_.cut_samples(), 1U);
}

TEST_F(LocatorTest, marks_a_process_that_nobody_knows) {
  put(code("00000000 00:00 0"));
  add({user(kCode)}, 1, kPid - 1);
  EXPECT_EQ(named(), "thread-name;[unknown process]");
}

TEST_F(LocatorTest, marks_lost_frames) {
  put(code("00000000 00:00 0"));
  add({});
  EXPECT_EQ(named(), "app;[lost stack]");
}

TEST_F(LocatorTest, shows_markers_of_the_kernel_side_in_their_place) {
  put(code("00000000 00:00 0"));
  add({user(kCode), frame_make(FRAME_MARKER, MARKER_truncated_depth)});
  EXPECT_EQ(named(), "app;[truncated: depth];([anon]+0x7f0000000000)");
}

FunctionRef text(const std::string& shown) {
  return std::make_shared<const FunctionText>(
      [shown](std::optional<std::uint64_t>) { return shown; });
}

TEST_F(LocatorTest, shows_functions_by_their_texts_and_the_native_frames_beside_them) {
  put(code("00000000 00:00 0"));
  locator_.name_function(7, text("f"));
  add({user(kCode), frame_make_python(7, 0), user(kCode + 0x20)});
  EXPECT_EQ(named(), "app;([anon]+0x7f0000000020)_[pn];f;([anon]+0x7f0000000000)_[pn]");
}

TEST_F(LocatorTest, shows_where_in_a_function_a_frame_is_when_it_says_so) {
  put(code("00000000 00:00 0"));
  locator_.name_function(
      7, std::make_shared<const FunctionText>([](std::optional<std::uint64_t> position) {
        return position ? "f at " + std::to_string(*position) : std::string("f");
      }));
  add({frame_make_python(7, 0), frame_make_python(7, 1), frame_make_python(7, 25)});
  EXPECT_EQ(named(), "app;f at 24;f at 0;f");
}

TEST_F(LocatorTest, marks_functions_whose_names_did_not_come) {
  put(code("00000000 00:00 0"));
  locator_.name_function(7, text("f"));
  add({frame_make_python(8, 0), frame_make_python(7, 0)});
  EXPECT_EQ(named(), "app;f;[python: lost name]");
}

TEST_F(LocatorTest, remembers_the_functions_that_are_used) {
  put(code("00000000 00:00 0"));
  constexpr std::uint64_t kMany = std::uint64_t{3} << 17;
  locator_.name_function(7, text("f"));
  for (std::uint64_t id = 100; id < kMany; ++id) {
    if (id % 100'000 == 0) {
      add({frame_make_python(7, 0)});
      EXPECT_EQ(named(), "app;f") << id;
    }
    locator_.name_function(id, nullptr);
  }
  add({frame_make_python(7, 0)});
  EXPECT_EQ(named(), "app;f");
}

TEST_F(LocatorTest, keeps_the_functions_behind_a_return_address_that_is_no_code) {
  put(code("00000000 00:00 0"));
  locator_.name_function(7, text("f"));
  locator_.name_function(8, text("g"));
  add({frame_make_python(7, 0), user(0x2000), user(kCode),
       frame_make(FRAME_MARKER, MARKER_truncated_no_unwind_info), frame_make_python(8, 0)});
  EXPECT_EQ(named(), "app;g;[truncated: no unwind info];f");
  EXPECT_EQ(locator_.cut_samples(), 0U);  // the kernel side has counted it
}

}  // namespace
}  // namespace waggle
