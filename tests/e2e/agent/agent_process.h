// SPDX-License-Identifier: Apache-2.0
// An agent in the background, its files in a directory of its own.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/types.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/file.h"
#include "tests/temp_dir.h"
#include "tests/waggle_run.h"
#include "tests/wait_until.h"

namespace waggle {

// Where an agent's files go; outlives the agent.
class AgentPlace {
 public:
  [[nodiscard]] std::string path(const std::string& name) const { return dir_.path() + "/" + name; }
  [[nodiscard]] std::string output() const { return path("profiles"); }

  // With a lock that no other test has, and no limit to what it may cost.
  [[nodiscard]] std::vector<std::string> words(const std::vector<std::string>& more) const {
    std::vector<std::string> words = {"agent",
                                      "-o",
                                      output(),
                                      "--pid-file",
                                      path("agent.pid"),
                                      "--log-file",
                                      path("waggle.log"),
                                      "--lock",
                                      "waggle_test_" + std::to_string(::getpid())};
    if (std::ranges::find(more, "--cpu-budget") == more.end()) {
      words.insert(words.end(), {"--cpu-budget", "0"});
    }
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  // Whole, in the order of their ends.
  [[nodiscard]] std::vector<std::string> profiles() const {
    std::vector<std::string> paths;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(output(), none)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("profile_") && name.ends_with(".col")) {
        paths.push_back(entry.path().string());
      }
    }
    std::ranges::sort(paths);
    return paths;
  }
  [[nodiscard]] std::vector<CollapsedFile> read_profiles() const {
    std::vector<CollapsedFile> files;
    for (const std::string& path : profiles()) {
      files.push_back(CollapsedFile::parse(read_file(path, std::size_t{1} << 28).value()));
    }
    std::ranges::sort(files, {}, [](const CollapsedFile& file) {
      return file.header["waggle"]["start_time"].get<double>();
    });
    return files;
  }
  bool wait_for_profiles(std::size_t count,
                         std::chrono::seconds limit = std::chrono::seconds(30)) const {
    return wait_until([&] { return profiles().size() >= count; }, limit);
  }
  [[nodiscard]] std::string log() const {
    return read_file(path("waggle.log"), std::size_t{1} << 26).value_or("");
  }
  bool wait_for_log(const std::string& text) const {
    return wait_until([&] { return log().find(text) != std::string::npos; });
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
  }

 private:
  TempDir dir_;
};

struct AgentEnd {
  WaggleResult result;
  std::chrono::duration<double> took;  // from the signal on
};

inline AgentEnd end_agent(WaggleRun& agent, int signal = SIGTERM) {
  const auto start = std::chrono::steady_clock::now();
  (void)::kill(agent.pid(), signal);
  WaggleResult result = agent.wait();
  return {.result = std::move(result), .took = std::chrono::steady_clock::now() - start};
}

}  // namespace waggle
