// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/async_profiler/command.h"

#include <gtest/gtest.h>

namespace waggle {
namespace {

TEST(AsyncProfilerCommand, starts_with_a_timeout_and_says_how_to_write) {
  EXPECT_EQ(async_profiler_start({.frequency_hz = 99, .timeout = std::chrono::seconds(40)}, "/t/o",
                                 "/t/l"),
            "start,event=cpu,interval=10101010,timeout=40,collapsed,ann,sig,file=/t/o,log=/t/l");
  EXPECT_EQ(async_profiler_start({.event = JavaEvent::wall,
                                  .frequency_hz = 11,
                                  .tells_threads = true,
                                  .more = "cstack=fp,jstackdepth=64"},
                                 "/t/o", "/t/l"),
            "start,event=wall,interval=90909090,timeout=60,collapsed,ann,sig,file=/t/o,log=/t/l,"
            "threads,cstack=fp,jstackdepth=64");
}

TEST(AsyncProfilerCommand, says_what_a_person_asked_for) {
  const AsyncProfilerOptions options{.frequency_hz = 100,
                                     .features = "probesp+vtable",
                                     .name_age = 30,
                                     .safemode = 3,
                                     .has_method_modifiers = true,
                                     .has_line_numbers = true,
                                     .more = "cstack=fp"};
  EXPECT_EQ(async_profiler_start(options, "/o", "/l"),
            "start,event=cpu,interval=10000000,timeout=60,collapsed,ann,sig,file=/o,log=/l,"
            "includemm,includeln,features=probesp+vtable,safemode=3,cstack=fp");
  EXPECT_EQ(async_profiler_stop(options, "/o", "/l"),
            "stop,collapsed,ann,sig,file=/o,log=/l,includemm,includeln,mcache=30");
}

TEST(AsyncProfilerCommand, asks_for_the_libraries_of_native_functions) {
  EXPECT_EQ(async_profiler_stop({.tells_libraries = true}, "/o", "/l"),
            "stop,collapsed,ann,sig,file=/o,log=/l,lib");
}

TEST(AsyncProfilerCommand, counts_bytes_where_allocations_are_asked_for) {
  EXPECT_EQ(
      async_profiler_start({.event = JavaEvent::alloc, .alloc_bytes = 524288}, "/t/o", "/t/l"),
      "start,event=alloc,alloc=524288,timeout=60,collapsed,ann,sig,file=/t/o,log=/t/l");
}

TEST(AsyncProfilerCommand, stops_with_and_without_stacks) {
  EXPECT_EQ(async_profiler_stop({}, "/t/o", "/t/l"), "stop,collapsed,ann,sig,file=/t/o,log=/t/l");
  EXPECT_EQ(async_profiler_drop("/t/l"), "stop,log=/t/l");
  EXPECT_EQ(async_profiler_metrics("/t/l"), "metrics,file=/t/l");
}

}  // namespace
}  // namespace waggle
