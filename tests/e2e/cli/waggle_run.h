// SPDX-License-Identifier: Apache-2.0
// Runs the built program in an empty directory, its two outputs apart.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/subprocess.h"
#include "tests/temp_dir.h"

namespace waggle {

struct WaggleRun {
  int status = -1;
  std::string out;
  std::string err;
  std::vector<std::string> files;  // left in the directory it ran in
  std::chrono::milliseconds taken{};
};

// `words`: with the program in front.
inline WaggleRun run_words(const std::vector<std::string>& words,
                           std::chrono::seconds deadline = std::chrono::seconds(30)) {
  const TempDir dir;
  const std::string inside = dir.path() + "/cwd";
  std::filesystem::create_directory(inside);
  std::vector<std::string> command = {"/bin/sh", "-c", "cd \"$0\" && exec \"$@\" >../out 2>../err",
                                      inside};
  command.insert(command.end(), words.begin(), words.end());
  const auto start = std::chrono::steady_clock::now();
  const auto run = run_tool(command, {.deadline = deadline, .output_bytes = 65536});
  WaggleRun result;
  result.taken = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - start);
  if (!run || run->end != ToolRun::End::exited || !WIFEXITED(run->wait_status)) {
    ADD_FAILURE() << words.front() << ": did not exit by itself"
                  << (run ? "" : ": " + run.error().what);
    return result;
  }
  constexpr std::size_t kMaxOutputBytes = 1 << 24;
  result.status = WEXITSTATUS(run->wait_status);
  result.out = read_file(dir.path() + "/out", kMaxOutputBytes).value_or("");
  result.err = read_file(dir.path() + "/err", kMaxOutputBytes).value_or("");
  for (const auto& entry : std::filesystem::directory_iterator(inside)) {
    result.files.push_back(entry.path().filename());
  }
  return result;
}

inline WaggleRun run_waggle(std::vector<std::string> words) {
  words.insert(words.begin(), WAGGLE);
  return run_words(words);
}

inline long line_count(const std::string& text) {
  return std::ranges::count(text, '\n');
}

}  // namespace waggle
