// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/perf/data_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string>

#include "base/file.h"
#include "tests/perf_data.h"

namespace waggle {
namespace {

using std::chrono::nanoseconds;
using testing::HasSubstr;
using testing::Not;

constexpr std::uint32_t kLost = 2;
constexpr std::uint32_t kThrottle = 5;
constexpr std::uint32_t kUnthrottle = 6;
constexpr std::uint32_t kSample = 9;

std::string lost(std::uint64_t count) {
  return perf_record(kLost, raw(std::array{std::uint64_t{1}, count}));
}

std::string throttle(std::uint32_t type, std::uint64_t time_ns, std::uint64_t stream) {
  return perf_record(type, raw(std::array{time_ns, std::uint64_t{1}, stream}));
}

Result<PerfDataFacts> prepare(const std::string& bytes) {
  return prepare_perf_data(memory_file(bytes), "secret");
}

std::string content_of(const UniqueFd& file) {
  return read_file("/proc/self/fd/" + std::to_string(file.get()), 1 << 24).value();
}

std::uint64_t number_at(const std::string& bytes, std::size_t offset) {
  std::uint64_t number = 0;
  std::memcpy(&number, &bytes.at(offset), sizeof(number));
  return number;
}

TEST(PerfData, counts_what_was_lost_in_records_of_all_pieces) {
  std::string records;
  for (int i = 0; i < 100; ++i) {
    records += perf_record(kSample, std::string(60'000, 's')) + lost(3);
  }
  const auto facts = prepare(make_perf_data({.records = records}));
  ASSERT_TRUE(facts) << facts.error().what;
  EXPECT_EQ(facts->lost_records, 300U);
  EXPECT_EQ(facts->event, "cpu-clock:pppH");
}

TEST(PerfData, adds_up_how_long_each_event_was_held_back) {
  const auto facts = prepare(
      make_perf_data({.records = throttle(kUnthrottle, 5, 1) + throttle(kThrottle, 100, 1) +
                                 throttle(kThrottle, 150, 2) + throttle(kUnthrottle, 180, 1) +
                                 throttle(kUnthrottle, 200, 1) + throttle(kUnthrottle, 250, 2) +
                                 throttle(kThrottle, 300, 1) + throttle(kUnthrottle, 290, 1) +
                                 throttle(kThrottle, 400, 2)}));
  ASSERT_TRUE(facts) << facts.error().what;
  EXPECT_EQ(facts->throttled, nanoseconds(80 + 100));
}

TEST(PerfData, gives_events_another_name) {
  const UniqueFd file = memory_file(make_perf_data({.records = lost(1)}));
  ASSERT_TRUE(prepare_perf_data(file, "secret"));
  const std::string bytes = content_of(file);
  const std::uint64_t entry = number_at(bytes, 40) + number_at(bytes, 48);
  const std::string names = bytes.substr(number_at(bytes, entry), number_at(bytes, entry + 8));
  EXPECT_THAT(names, HasSubstr("secret"));
  EXPECT_THAT(names, Not(HasSubstr("cpu-clock")));
  EXPECT_EQ(names.size(), 4 + 4 + 128 + 4 + 4 + 64);
  // Again: that is what it is called now.
  EXPECT_EQ(prepare_perf_data(file, "other")->event, "secret");
}

TEST(PerfData, of_a_perf_that_died_gets_the_end_of_its_header) {
  const std::string records = lost(7) + lost(8).substr(0, 12);
  const UniqueFd file = memory_file(
      make_perf_data({.records = records, .is_whole = false, .features = ~std::uint64_t{0}}));
  const auto facts = prepare_perf_data(file, "secret");
  ASSERT_TRUE(facts) << facts.error().what;
  EXPECT_EQ(facts->lost_records, 7U);
  EXPECT_EQ(facts->event, "");
  const std::string bytes = content_of(file);
  EXPECT_EQ(number_at(bytes, 48), records.size());
  EXPECT_EQ(number_at(bytes, 72), 1U << 12);
  EXPECT_EQ(prepare_perf_data(file, "other")->event, "secret");
}

TEST(PerfData, that_is_damaged_is_refused) {
  const std::string whole = make_perf_data({.records = lost(1)});
  EXPECT_FALSE(prepare(""));
  EXPECT_FALSE(prepare("PERFILE1" + whole.substr(8)));
  EXPECT_FALSE(prepare(whole.substr(0, 103)));
  EXPECT_FALSE(prepare(whole.substr(0, whole.size() - 40))) << "the name";
  EXPECT_FALSE(prepare(make_perf_data({.records = lost(1), .features = 1}))) << "no names";
  EXPECT_FALSE(prepare(make_perf_data({.records = lost(1), .attr_bytes = 16})));
  EXPECT_FALSE(prepare(make_perf_data({.records = std::string(64, '\0')}))) << "empty records";
  EXPECT_FALSE(prepare(make_perf_data({}))) << "no records";
  for (const std::size_t offset : {16, 24, 32, 40, 48}) {
    std::string damaged = whole;
    damaged.replace(offset, 8, raw(~std::uint64_t{7}));
    EXPECT_FALSE(prepare(damaged)) << offset;
  }
  EXPECT_TRUE(prepare(whole));
}

}  // namespace
}  // namespace waggle
