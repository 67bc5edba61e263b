// SPDX-License-Identifier: Apache-2.0
// A perf script that prints a gigabyte: what it takes of our memory.
#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "tests/e2e/fallback/stand_in.h"
#include "tests/perf_data.h"
#include "userspace/tools/perf/script.h"

namespace waggle {
namespace {

// Of proc_pid_status(5): "VmHWM" is the peak of "VmRSS".
std::uint64_t status_kib(const std::string& name) {
  const std::string status = read_file("/proc/self/status", 65536).value();
  for (const std::string_view line : split(status, '\n')) {
    if (line.starts_with(name + ":")) {
      const std::string_view rest = line.substr(name.size() + 1);
      const std::size_t start = rest.find_first_of("0123456789");
      return parse_number<std::uint64_t>(rest.substr(start, rest.find(' ', start) - start)).value();
    }
  }
  return 0;
}

TEST(PerfScript, of_a_gigabyte_takes_4_mib_at_most) {
  constexpr std::uint64_t kBytes = std::uint64_t{1} << 30;
  constexpr std::uint64_t kMostKib = 4096;
  // A sample of twenty frames; the last one is cut, and so not whole.
  std::string frames;
  for (int i = 0; i < 20; ++i) {
    frames += fmt::format(
        "\t    7fde534fc{:03x} function_number_{}(int, char const*) (/usr/lib/x.so)\n", i, i);
  }
  const StandIn perf(
      {.script = fmt::format("yes \"  812/813   26561.950236416: $EVENT: \n{}\" | head -c {}",
                             frames, kBytes)});
  std::uint64_t samples = 0;
  std::ofstream("/proc/self/clear_refs") << "5";  // the peak starts here
  const std::uint64_t before_kib = status_kib("VmRSS");
  const UniqueFd data =
      memory_file(make_perf_data({.records = perf_record(9, std::string(64, 's'))}));
  auto script = PerfScript::start(perf.path(), data, [&](const PerfSample&) { ++samples; });
  ASSERT_TRUE(script) << script.error().what;
  ASSERT_TRUE((*script)->wait_until(std::chrono::steady_clock::now() + std::chrono::minutes(20)));
  EXPECT_TRUE((*script)->finish().is_ok());
  EXPECT_LE(status_kib("VmHWM"), before_kib + kMostKib);
  EXPECT_NEAR(static_cast<double>(samples),
              static_cast<double>(kBytes) / static_cast<double>(frames.size() + 30 + 41),
              0.01 * static_cast<double>(samples));
}

}  // namespace
}  // namespace waggle
