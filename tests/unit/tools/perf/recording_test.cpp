// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/perf/recording.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "userspace/tools/perf/events.h"

namespace waggle {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Not;
using testing::StartsWith;

TEST(PerfRecordCommand, samples_the_whole_host_by_default) {
  const auto command = perf_record_command(
      {.perf = "/usr/bin/perf", .event = "", .frequency_hz = 11, .pids = {}}, "/d/data");
  EXPECT_EQ(command[0], "/usr/bin/perf");
  EXPECT_THAT(command,
              AllOf(Contains("--output=/d/data"), Contains("--freq=11"), Contains("--all-cpus"),
                    Contains("--call-graph=fp"), Contains("--clockid=CLOCK_MONOTONIC")));
  EXPECT_THAT(command, Not(Contains(StartsWith("--event"))));
  EXPECT_THAT(command, Not(Contains(StartsWith("--pid"))));
}

TEST(PerfRecordCommand, has_what_was_asked_for) {
  const auto command = perf_record_command({.perf = "/usr/bin/perf",
                                            .event = "cpu-clock",
                                            .mode = PerfMode::dwarf,
                                            .dwarf_stack_bytes = 4096,
                                            .pids = {7, 12}},
                                           "/d/data");
  EXPECT_THAT(command, AllOf(Contains("--event=cpu-clock"), Contains("--call-graph=dwarf,4096"),
                             Contains("--pid=7,12")));
  EXPECT_THAT(command, Not(Contains("--all-cpus")));
}

TEST(PerfRecordCommand, has_an_event_for_each_cgroup) {
  const auto command = perf_record_command(
      {.perf = "/usr/bin/perf", .event = "cpu-clock", .pids = {}, .cgroups = {"web", "db/one"}},
      "/d/data");
  EXPECT_EQ(std::ranges::count(command, "--event=cpu-clock"), 2);
  EXPECT_THAT(command, AllOf(Contains("--cgroup=web,db/one"), Contains("--all-cpus")));
}

TEST(PerfRecordCommand, can_do_without_build_ids) {
  const auto command = perf_record_command(
      {.perf = "/usr/bin/perf", .event = "", .pids = {}, .has_build_ids = false}, "/d/data");
  EXPECT_THAT(command, Contains("--no-buildid"));
  EXPECT_THAT(command, Not(Contains("--no-buildid-cache")));
}

TEST(PerfRecordCommand, leaves_events_of_bpf_where_perf_can) {
  EXPECT_THAT(perf_record_command({.perf = "/usr/bin/perf", .event = "", .pids = {}}, "/d/data"),
              Contains("--no-bpf-event"));
  EXPECT_THAT(
      perf_record_command(
          {.perf = "/usr/bin/perf", .event = "", .pids = {}, .has_bpf_events = true}, "/d/data"),
      Not(Contains("--no-bpf-event")));
}

TEST(LastLineOf, takes_the_last_line_that_tells_something) {
  EXPECT_EQ(last_line_of("Error:\nAccess is denied.\n\n  \n"), "Access is denied.");
  EXPECT_EQ(last_line_of(""), "it said nothing");
  EXPECT_EQ(last_line_of("\x1b[31mred"), "?[31mred");
  EXPECT_EQ(last_line_of(std::string(1000, 'x')).size(), 160U);
}

TEST(EventName, is_without_modifiers) {
  EXPECT_EQ(event_name("cpu-clock:pppH"), "cpu-clock");
  EXPECT_EQ(event_name("cycles"), "cycles");
  EXPECT_EQ(event_name("a\nb"), "a?b");
}

}  // namespace
}  // namespace waggle
