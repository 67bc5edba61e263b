// SPDX-License-Identifier: Apache-2.0
// Interpreters of this machine that tests record, and how much of what is recorded of them is what
// their programs state of themselves.
#pragma once

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/e2e/python/expected_stacks.h"
#include "tests/e2e/python/recorded_stacks.h"
#include "tests/interpreters.h"
#include "tests/waggle_run.h"

namespace waggle {

using Words = std::vector<std::string>;

inline std::string python_program(const std::string& name) {
  return std::string(PYTHON_PROGRAMS) + "/" + name + ".py";
}

inline CollapsedFile profile_of(const WaggleResult& result) {
  EXPECT_EQ(result.status, 0) << result.err;
  const std::size_t header = std::min(result.out.find("# {"), result.out.size());
  CollapsedFile file = CollapsedFile::parse(std::string_view(result.out).substr(header));
  EXPECT_TRUE(file.adds_up());
  return file;
}

// Of our own root, as the tests start them without a chroot.
inline Words find_local(const std::string& version) {
  Words programs;
  for (const Interpreter& interpreter : find_interpreters(version)) {
    if (interpreter.root.empty()) {
      programs.push_back(interpreter.program);
    }
  }
  return programs;
}

inline std::filesystem::path prefix_of(const std::string& file) {
  return std::filesystem::path(file).parent_path().parent_path();
}

// Beside an interpreter that has one.
inline std::optional<std::string> library_of(const std::string& program,
                                             const std::string& version) {
  for (const std::string& ending : {version, version + "m"}) {
    const std::filesystem::path library =
        prefix_of(program) / "lib" / ("libpython" + ending + ".so.1.0");
    if (std::filesystem::exists(library)) {
      return library.string();
    }
  }
  return std::nullopt;
}

inline Words find_libraries(const std::string& version) {
  Words libraries;
  for (const std::string& program : find_local(version)) {
    if (auto library = library_of(program, version)) {
      libraries.push_back(*std::move(library));
    }
  }
  return libraries;
}

// A frame of the evaluation loop; 2.7 and 3.6 have no other name for it.
inline bool is_evaluating(const CollapsedFile::Line& line) {
  return std::ranges::any_of(line.frames, [](const std::string& frame) {
    return frame.starts_with("_PyEval_EvalFrameDefault") || frame.starts_with("PyEval_EvalFrame");
  });
}

// Samples in it that show nothing of Python, not even that it is missing.
inline std::uint64_t evaluating_alone(const CollapsedFile& file, const std::string& comm) {
  std::uint64_t sum = 0;
  for (const CollapsedFile::Line& line : file.lines) {
    sum += line.comm == comm && python_part(line).empty() && is_evaluating(line) ? line.count : 0;
  }
  return sum;
}

inline std::vector<Functions> stated_by(const std::string& path, const std::string& version) {
  const auto stacks = read_expected_stacks(path, version);
  EXPECT_TRUE(stacks) << stacks.error().what;
  std::vector<Functions> stated;
  for (const ExpectedStack& stack : stacks.value_or(std::vector<ExpectedStack>())) {
    if (!stack.is_idle) {
      stated.push_back(stack.functions);
    }
  }
  return stated;
}

// Every stack with Python in it is one of these.  From before the interpreter was known, and while
// no Python runs, there are native ones.
struct Share {
  std::uint64_t right = 0;
  std::uint64_t wrong = 0;
  std::uint64_t native = 0;

  [[nodiscard]] std::uint64_t all() const { return right + wrong + native; }
  Share& operator+=(const Share& other) {
    right += other.right;
    wrong += other.wrong;
    native += other.native;
    return *this;
  }
};

inline Share compare(const CollapsedFile& file, const std::string& comm,
                     const std::vector<Functions>& stated, const std::string& thread = "") {
  Share share;
  for (const auto& [part, count] : python_parts(file, comm, thread)) {
    if (part.empty()) {
      share.native += count;
    } else if (std::ranges::count(stated, part) != 0) {
      share.right += count;
    } else {
      share.wrong += count;
      std::printf("%s: %llu samples: %s\n", comm.c_str(), static_cast<unsigned long long>(count),
                  testing::PrintToString(part).c_str());
    }
  }
  return share;
}

inline std::string to_text(const Share& share) {
  return fmt::format("{} samples, {} native, {} wrong", share.all(), share.native, share.wrong);
}

}  // namespace waggle
