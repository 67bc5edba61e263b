// SPDX-License-Identifier: Apache-2.0
#include "userspace/attach/perf_event.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "tests/temp_dir.h"

namespace waggle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Optional;

TEST(CpuList, reads_ranges_and_single_numbers) {
  EXPECT_THAT(parse_cpu_list("0-3,5\n"), Optional(ElementsAre(0, 1, 2, 3, 5)));
  EXPECT_THAT(parse_cpu_list("0\n"), Optional(ElementsAre(0)));
}

TEST(CpuList, refuses_what_the_kernel_never_writes) {
  for (const char* text : {"", "\n", "3-1", "1,1", "2,0", "0-", "-1", "a", "0,,1", "0-999999"}) {
    EXPECT_FALSE(parse_cpu_list(text)) << text;
  }
}

TEST(CpuList, names_the_file_it_cannot_parse) {
  const TempDir dir;
  const std::string path = dir.path() + "/online";
  ASSERT_TRUE(write_file_atomically(path, "none\n"));
  const auto cpus = online_cpus(path);
  ASSERT_FALSE(cpus);
  EXPECT_EQ(cpus.error().code, Errc::malformed);
  EXPECT_THAT(cpus.error().what, HasSubstr(path));
}

TEST(PerfEvent, error_of_an_unknown_event_names_the_remedy) {
  perf_event_attr attr{};
  attr.type = PERF_TYPE_SOFTWARE;
  attr.config = 0x7777;
  const auto fd = open_perf_event(attr, 0, -1, -1, 0);
  ASSERT_FALSE(fd);
  // The kernel says that the event is not there, a sandbox without perf that it may not be opened.
  if (fd.error().code == Errc::permission) {
    EXPECT_THAT(fd.error().what, HasSubstr("CAP_PERFMON"));
    return;
  }
  EXPECT_EQ(fd.error().code, Errc::unsupported);
  EXPECT_THAT(fd.error().what, HasSubstr("software event"));
}

}  // namespace
}  // namespace waggle
