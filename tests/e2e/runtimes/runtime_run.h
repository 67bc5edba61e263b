// SPDX-License-Identifier: Apache-2.0
// Recordings of a program in another language, beside a native one.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/e2e/fallback/stand_in.h"
#include "tests/process_facts.h"
#include "tests/temp_dir.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {

using Words = std::vector<std::string>;

inline std::string pid_of(const TestProgram& program) {
  return std::to_string(program.pid());
}

// It gets the CPU beside busy others.
inline Words ahead(Words command) {
  command.insert(command.begin(), {"nice", "-n", "-5"});
  return command;
}

// To stdout, with these arguments more.
inline CollapsedFile record_col(Words arguments, const Words& wrapper = {}) {
  arguments.insert(arguments.begin(), {"record", "-o", "-"});
  const WaggleResult result = run_waggle(arguments, wrapper);
  EXPECT_EQ(result.status, 0) << result.err;
  return result.status == 0 ? CollapsedFile::parse(result.out) : CollapsedFile();
}

// Of a process' samples, in points: those whose innermost frame begins with `function`.
inline double innermost_share(const CollapsedFile& file, const std::string& comm,
                              const std::string& function) {
  std::uint64_t count = 0;
  for (const CollapsedFile::Line& line : file.lines) {
    const bool is_it =
        line.comm == comm && !line.frames.empty() && line.frames.back().starts_with(function);
    count += is_it ? line.count : 0;
  }
  return 100.0 * static_cast<double>(count) / static_cast<double>(file.count_of(comm));
}

struct ToolCase {
  const char* name;
  const char* behaviour;
  const char* says;  // of the tool
};

inline std::ostream& operator<<(std::ostream& out, const ToolCase& value) {
  return out << value.name;
}

// What a recording of `target`, whose tool misbehaves, must still be: told in time, nothing left
// behind, native frames there below an error, and the other process as ever.
inline void expect_outlived(const ToolCase& tool_case, const std::string& tool_name,
                            const ToolStandIn& tool, Words arguments, const TestProgram& target,
                            const std::string& comm) {
  constexpr double kDurationSeconds = 2;
  constexpr double kMostAfterSeconds = 10;
  const TestProgram native(ahead({RECURSION, "10"}));
  const TempDir temporary;
  arguments.insert(arguments.begin(), "record");
  arguments.insert(arguments.end(), {"-d", "2", "-F", "199", "-o", "-", "-p",
                                     pid_of(native) + "," + pid_of(target)});
  WaggleRun run(arguments, {"env", "TMPDIR=" + temporary.path()});
  while (tool.targets().empty() && is_running(run.pid())) {
    ::usleep(10'000);
  }
  const auto began = std::chrono::steady_clock::now();
  const WaggleResult result = run.wait();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_LT(took.count(), kDurationSeconds + kMostAfterSeconds);
  EXPECT_NE(result.err.find("process " + pid_of(target)), std::string::npos) << result.err;
  EXPECT_NE(result.err.find(tool_case.says), std::string::npos) << result.err;
  EXPECT_TRUE(std::filesystem::is_empty(temporary.path()));
  tool.expect_nothing_runs();
  const char state = process_state(target.pid());
  EXPECT_TRUE(state == 'R' || state == 'S') << state;

  const CollapsedFile file = CollapsedFile::parse(result.out);
  const std::string told = file.header["waggle"]["tools"][tool_name].get<std::string>();
  EXPECT_NE(told.find(tool_case.says), std::string::npos) << told;
  EXPECT_TRUE(file.adds_up());
  EXPECT_GT(file.count_of("recursion", ";main;recurse"), 10U);
  ASSERT_GT(file.count_of(comm), 0U);
  for (const CollapsedFile::Line& line : file.lines) {
    if (line.comm == comm) {
      EXPECT_TRUE(line.frames.front().starts_with("[Profiling error: ")) << line.stack();
      EXPECT_NE(line.frames.front().find(tool_case.says), std::string::npos) << line.stack();
      EXPECT_GT(line.frames.size(), 1U) << "the native stack is kept";
    }
  }
}

}  // namespace waggle
