// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/py_spy/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace waggle {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Not;

TEST(PySpyCommand, never_stops_the_process_and_goes_on_until_it_is_told_to_end) {
  EXPECT_THAT(py_spy_record_command("/opt/py-spy", 12, {.frequency_hz = 11}, "/tmp/x/12"),
              ElementsAre("/opt/py-spy", "record", "--pid", "12", "--rate", "11", "--duration",
                          "unlimited", "--format", "raw", "--output", "/tmp/x/12", "--nonblocking",
                          "--gil", "--full-filenames", "--function"));
}

TEST(PySpyCommand, samples_at_50_hz_at_most) {
  EXPECT_EQ(py_spy_rate(1), 1);
  EXPECT_EQ(py_spy_rate(50), 50);
  EXPECT_EQ(py_spy_rate(999), 50);
  EXPECT_THAT(py_spy_record_command("/p", 12, {.frequency_hz = 999}, "/o"), Contains("50"));
}

TEST(PySpyCommand, tells_lines_and_threads_when_asked) {
  const auto command =
      py_spy_record_command("/p", 12, {.has_lines = true, .tells_threads = true}, "/o");
  EXPECT_THAT(command, Not(Contains("--function")));
  EXPECT_THAT(command, Contains("--threads"));
}

}  // namespace
}  // namespace waggle
