// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/dotnet_trace/speedscope.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/temp_dir.h"

namespace waggle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Read {
  std::vector<std::string> stacks;
  std::string problem;
};

OnSpeedscopeStack into(Read& read) {
  return [&read](const SpeedscopeStack& stack) {
    std::string text;
    for (const std::string_view frame : stack.frames) {
      text += dotnet_frame_text(frame) + ";";
    }
    read.stacks.push_back(text + std::to_string(stack.count));
  };
}

Read read(std::string_view text, int frequency_hz = 100) {
  Read done;
  const Result<> result = read_speedscope(text, frequency_hz, into(done));
  done.problem = result ? "" : result.error().what;
  return done;
}

std::string file_with(const std::string& profiles,
                      const std::string& frames = R"j({"name":"Main"},{"name":"F(int32)"})j") {
  return R"({"exporter":"speedscope@1.3.2","name":"app","activeProfileIndex":0,)"
         R"("$schema":"https://www.speedscope.app/file-format-schema.json",)"
         R"("shared":{"frames":[)" +
         frames + R"(]},"profiles":[)" + profiles + "]}";
}

std::string profile_with(const std::string& events, const std::string& start = "\"0.0\"") {
  return R"j({"type":"evented","name":"Thread (7)","unit":"milliseconds","startValue":)j" + start +
         R"(,"endValue":"100.0","events":[)" + events + "]}";
}

std::string event(char type, int frame, double at_ms) {
  return fmt::format(R"({{"type":"{}","frame":{},"at":{}}})", type, frame, at_ms);
}

std::string events(const std::vector<std::string>& all) {
  std::string joined;
  for (const std::string& one : all) {
    joined += (joined.empty() ? "" : ",") + one;
  }
  return joined;
}

const std::string kEvents =
    events({event('O', 0, 0), event('O', 1, 40), event('C', 1, 100), event('C', 0, 100)});

TEST(Speedscope, tells_the_time_in_each_stack_as_samples) {
  EXPECT_THAT(read(file_with(profile_with(kEvents))).stacks,
              ElementsAre("Main_[net];4", "Main_[net];F(int32)_[net];6"));
  EXPECT_THAT(read(file_with(profile_with(kEvents)), 1000).stacks,
              ElementsAre("Main_[net];40", "Main_[net];F(int32)_[net];60"));
}

TEST(Speedscope, adds_the_threads_up) {
  const std::string thread = profile_with(kEvents);
  EXPECT_THAT(read(file_with(thread + "," + thread)).stacks,
              ElementsAre("Main_[net];8", "Main_[net];F(int32)_[net];12"));
}

TEST(Speedscope, reads_a_file_as_it_reads_text) {
  const TempDir dir;
  const std::string path = dir.path() + "/x.json";
  std::ofstream(path) << file_with(profile_with(kEvents));
  Read done;
  ASSERT_TRUE(
      read_speedscope(UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)), 100, into(done)));
  EXPECT_THAT(done.stacks, ElementsAre("Main_[net];4", "Main_[net];F(int32)_[net];6"));
}

TEST(Speedscope, keeps_the_sum_of_all_times_where_each_is_less_than_a_sample) {
  std::string frames = R"({"name":"Main"})";
  std::vector<std::string> all = {event('O', 0, 0)};
  for (int i = 1; i <= 100; ++i) {  // 100 functions, 4 ms each
    frames += fmt::format(R"(,{{"name":"F{}"}})", i);
    all.push_back(event('O', i, 4 * (i - 1)));
    all.push_back(event('C', i, 4 * i));
  }
  all.push_back(event('C', 0, 400));
  const Read done = read(file_with(profile_with(events(all)), frames));
  EXPECT_EQ(done.stacks.size(), 40U);  // 400 ms at 100 Hz
}

TEST(Speedscope, takes_names_that_come_behind_the_events) {
  const std::string text = R"({"profiles":[)" + profile_with(kEvents) +
                           R"(],"shared":{"frames":[{"name":"A","file":"x"},{"name":"B"}]}})";
  EXPECT_THAT(read(text).stacks, ElementsAre("A_[net];4", "A_[net];B_[net];6"));
}

TEST(Speedscope, counts_no_time_outside_of_all_frames) {
  const std::string late = events({event('O', 0, 500), event('C', 0, 520)});
  EXPECT_THAT(read(file_with(profile_with(late, "-3.5"))).stacks, ElementsAre("Main_[net];2"));
  EXPECT_THAT(read(file_with(profile_with(""))).stacks, IsEmpty());
  EXPECT_EQ(read(file_with(profile_with(""))).problem, "");
}

struct Refused {
  std::string text;
  const char* problem;
};

TEST(Speedscope, refuses_what_is_no_such_file) {
  const auto refused = [](const std::vector<std::string>& all) {
    return file_with(profile_with(events(all)));
  };
  const std::vector<Refused> cases = {
      {"", "no JSON"},
      {"{", "no JSON"},
      {R"({"profiles":[)", "no JSON"},
      {file_with(R"({"type":"sampled","unit":"milliseconds"})"), "no evented one"},
      {file_with(R"({"type":"evented","unit":"bytes"})"), "no evented one"},
      {file_with(profile_with("", "\"soon\"")), "no number"},
      {file_with(profile_with("", "1e300")), "do not go on"},
      {refused({event('O', 0, 5), event('C', 0, 4)}), "do not go on"},
      {refused({event('O', 0, 0), event('C', 1, 1)}), "closes no frame"},
      {refused({event('C', 0, 1)}), "closes no frame"},
      {refused({event('X', 0, 1)}), "closes no frame"},
      {refused({R"({"type":"O","frame":0})"}), "without frame or time"},
      {refused({R"({"type":"O","at":0})"}), "without frame or time"},
      {refused({event('O', -1, 0)}), "without frame or time"},
      {refused({R"({"type":"O","frame":0.5,"at":0})"}), "without frame or time"},
      {refused({event('O', 9, 0), event('C', 9, 50)}), "a frame without a name"},
  };
  for (const auto& [text, problem] : cases) {
    const Read done = read(text);
    EXPECT_THAT(done.problem, HasSubstr(problem)) << text;
    EXPECT_THAT(done.stacks, IsEmpty()) << text;
  }
}

TEST(Speedscope, refuses_a_stack_that_is_too_deep_and_is_not_harmed_by_nesting) {
  std::vector<std::string> all;
  for (std::size_t i = 0; i <= SpeedscopeLimits::kMaxDepth; ++i) {
    all.push_back(event('O', 0, 0));
  }
  EXPECT_THAT(read(file_with(profile_with(events(all)))).problem, HasSubstr("deeper stacks"));
  EXPECT_EQ(read(std::string(1'000'000, '[')).problem, "no JSON");
}

}  // namespace
}  // namespace waggle
