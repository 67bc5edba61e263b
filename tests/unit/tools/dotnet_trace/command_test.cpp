// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/dotnet_trace/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace waggle {
namespace {

TEST(DotnetTraceCommand, asks_the_process_as_it_knows_itself) {
  const DotnetTarget target{.pid = 1200, .namespace_pid = 7};
  EXPECT_THAT(dotnet_trace_command("/opt/dotnet-trace", target, "/tmp/x/dotnet-trace-1200"),
              testing::ElementsAre("/opt/dotnet-trace", "collect", "--format", "speedscope",
                                   "--process-id", "7", "--profile", "cpu-sampling", "--output",
                                   "/tmp/x/dotnet-trace-1200"));
  EXPECT_EQ(dotnet_trace_temporary(target), "/proc/1200/root/tmp");
  EXPECT_EQ(dotnet_trace_stacks("/tmp/x/dotnet-trace-1200"),
            "/tmp/x/dotnet-trace-1200.speedscope.json");
}

}  // namespace
}  // namespace waggle
