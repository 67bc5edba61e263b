// SPDX-License-Identifier: Apache-2.0
// Recordings of JVMs by async-profiler, and what their profiles tell.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/types.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/java/java_programs.h"
#include "tests/waggle_run.h"

namespace waggle {

inline bool wait_until(const std::function<bool()>& is_done, std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!is_done() && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return is_done();
}

inline std::vector<std::string> record(pid_t pid, std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {"record",
                                        "-F",
                                        "499",
                                        "-o",
                                        "-",
                                        "-p",
                                        std::to_string(pid),
                                        "--async-profiler-path",
                                        async_profiler_directory()};
  std::ranges::move(more, std::back_inserter(arguments));
  return arguments;
}

inline std::string tool_state(const CollapsedFile& file) {
  const auto& tools = file.header["waggle"]["tools"];
  return tools.contains("async-profiler") ? tools["async-profiler"].get<std::string>() : "";
}

// Of the samples, work() or the start of async-profiler, which takes 0.1 s of CPU time: beside BPF
// it shows, and is much of what a busy machine leaves to a JVM.
inline double share_of_work(const CollapsedFile& file) {
  // AttachListenerThread::thread_entry, or attach_listener_thread_entry.
  return file.share_of("java", ";Shares.work()V_") + file.share_of("java", "ttach");
}

// heavy() has three quarters of the time; a start takes async-profiler up to a second.
inline void expect_shares(const CollapsedFile& file) {
  const auto work = static_cast<double>(file.count_of("java", ";Shares.work()V_"));
  const auto heavy = static_cast<double>(file.count_of("java", ";Shares.heavy()V_"));
  const auto light = static_cast<double>(file.count_of("java", ";Shares.light()V_"));
  EXPECT_NEAR(heavy / work, 0.75, 0.08) << file.text_of("java");
  EXPECT_NEAR(light / work, 0.25, 0.08);
  EXPECT_GT(share_of_work(file), 0.92) << file.text_of("java");
  EXPECT_THAT(file.text_of("java"), testing::HasSubstr("Shares.main([Ljava/lang/String|)V_["));
  EXPECT_TRUE(file.adds_up());
}

}  // namespace waggle
