// SPDX-License-Identifier: Apache-2.0
// Nodes whose functions waggle has logged, and what they are like when it has gone.
#pragma once

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/e2e/runtimes/runtime_run.h"
#include "tests/interpreters.h"
#include "userspace/tools/linux_perf/listening_ports.h"

namespace waggle {

constexpr const char* kNode = "/usr/bin/node";
// What it inlines is in no map.
constexpr const char* kNoInlining = "--no-turbo-inlining";

inline std::string module_path() {
  return test_cache() + "/linux-perf.node";
}

inline std::string map_of(pid_t pid) {
  return fmt::format("/tmp/perf-{}.map", pid);
}

inline bool is_listening(pid_t pid) {
  TargetProcess process;
  if (!process.open(pid)) {
    return false;
  }
  const auto ports = read_listening_ports(process).value();
  return std::ranges::any_of(
      ports, [&](const ListeningPort& port) { return has_socket(process, port.inode); });
}

inline std::vector<std::string> places_in(const std::string& directory) {
  std::vector<std::string> places;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().filename().string().starts_with("waggle-") &&
        std::filesystem::exists(entry.path() / "linux-perf.node")) {
      places.push_back(entry.path());
    }
  }
  return places;
}

inline Words attaching(pid_t pid, Words more) {
  more.insert(more.begin(), {"--nodejs-mode", "attach-maps", "--node-linux-perf-path",
                             module_path(), "-p", std::to_string(pid)});
  return more;
}

inline WaggleResult record_attaching(pid_t pid, Words more) {
  Words arguments = attaching(pid, std::move(more));
  arguments.insert(arguments.begin(), {"record", "-o", "-"});
  return run_waggle(arguments);
}

class NodeMaps : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kNode)) {
      GTEST_SKIP() << "no Node here (tools/install_packages test)";
    }
    if (!std::filesystem::exists(module_path())) {
      GTEST_SKIP() << "no linux-perf here (tests/e2e/runtimes/fetch_node_linux_perf.py)";
    }
  }

  // A Node that writes its own messages to errors().
  [[nodiscard]] Words node(const std::string& script, const std::string& options = "") const {
    return {"sh", "-c",
            fmt::format("exec nice -n -5 {} {} {} {} 2>{}", kNode, kNoInlining, options, script,
                        errors_path())};
  }
  [[nodiscard]] std::string errors_path() const { return folder_.path() + "/errors"; }
  [[nodiscard]] std::string errors() const { return read_file(errors_path(), 1 << 20).value(); }

  TempDir folder_;
};

inline void expect_as_before(pid_t pid) {
  EXPECT_TRUE(is_running(pid));
  EXPECT_FALSE(is_listening(pid)) << "its inspector is open";
  EXPECT_FALSE(std::filesystem::exists(map_of(pid)));
  EXPECT_THAT(places_in("/tmp"), testing::IsEmpty());
}

}  // namespace waggle
