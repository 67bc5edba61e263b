// SPDX-License-Identifier: Apache-2.0
// What the tests of unwinding share: one recording of several programs, and its stacks compared
// with what they must be.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {

using Frames = std::vector<std::string>;
using Words = std::vector<std::string>;

constexpr std::string_view kNoInfo = "[truncated: no unwind info]";
constexpr std::string_view kTooDeep = "[truncated: depth]";

inline std::string built(const std::string& name) {
  return std::string(PROGRAMS) + "/" + name;
}

inline bool is_built(const std::string& name) {
  return std::filesystem::exists(built(name));
}

// A guest of tests/vm: an emulated CPU takes longer than a millisecond for a deep stack, and
// seconds for the tables of the C library.
inline bool is_slow_cpu() {
  return std::getenv("WAGGLE_TEST_SLOW_CPU") != nullptr;
}

// The frames of user code: those of the kernel stand behind them.
inline Frames user_frames(const CollapsedFile::Line& line) {
  Frames frames = line.frames;
  const auto kernel = std::ranges::find_if(
      frames, [](const std::string& frame) { return frame.ends_with("_[k]"); });
  frames.erase(kernel, frames.end());
  return frames;
}

// Programs that run side by side until the end of the test, each under a name of its own.
class Programs {
 public:
  // `name` of tests/programs, shown as `comm` (15 characters at the most).
  void start(const std::string& name, const Words& arguments = {}, const std::string& comm = "") {
    Words command = {built(name)};
    if (!comm.empty()) {
      command[0] = dir_.path() + "/" + comm;
      std::filesystem::create_symlink(built(name), command[0]);
    }
    command.insert(command.end(), arguments.begin(), arguments.end());
    running_.push_back(std::make_unique<TestProgram>(command));
  }

  // Two seconds of all of them.
  [[nodiscard]] CollapsedFile record(const Words& more = {}) const {
    Words command = {"record", "-o", "-"};
    const Words rate =
        is_slow_cpu() ? Words{"-d", "5", "-F", "199"} : Words{"-d", "2", "-F", "999"};
    command.insert(command.end(), rate.begin(), rate.end());
    for (const auto& program : running_) {
      command.insert(command.end(), {"-p", std::to_string(program->pid())});
    }
    command.insert(command.end(), more.begin(), more.end());
    const WaggleResult result = run_waggle(command);
    EXPECT_EQ(result.status, 0) << result.err;
    CollapsedFile file = CollapsedFile::parse(result.out);
    EXPECT_TRUE(file.adds_up());
    return file;
  }

 private:
  TempDir dir_;
  std::vector<std::unique_ptr<TestProgram>> running_;
};

// "(file" is any place without a name in that file, "*" any frame, "..." any number of frames; all
// else is the frame itself.
inline bool is_frame(const std::string& frame, const std::string& wanted) {
  return wanted == "*" || frame == wanted ||
         (wanted.starts_with("(") && frame.starts_with(wanted + "+0x"));
}

inline bool matches(const Frames& frames, const Frames& wanted, std::size_t i = 0,
                    std::size_t j = 0) {
  for (; j < wanted.size(); ++i, ++j) {
    if (wanted[j] == "...") {
      for (std::size_t rest = i; rest <= frames.size(); ++rest) {
        if (matches(frames, wanted, rest, j + 1)) {
          return true;
        }
      }
      return false;
    }
    if (i == frames.size() || !is_frame(frames[i], wanted[j])) {
      return false;
    }
  }
  return i == frames.size();
}

// The way to main() of a program that the C library starts.
inline Frames from_entry(const Frames& rest) {
  Frames frames = {"_start", "__libc_start_main", "(libc.so.6"};
  frames.insert(frames.end(), rest.begin(), rest.end());
  return frames;
}
inline Frames from_static_entry(const Frames& rest) {
  Frames frames = {"_start", "__libc_start_main", "__libc_start_call_main"};
  frames.insert(frames.end(), rest.begin(), rest.end());
  return frames;
}

// How many samples of a program have which of the forms that its stacks may have, root first.  A
// function between main() and the leaf may be the leaf itself, at times.  Samples from before the
// tables were there are cut with a marker: how many is checked.  Any other stack fails the test.
class Stacks {
 public:
  // What runs already has its tables before the first sample, unless the host is busy otherwise.
  static constexpr double kMostEarly = 0.15;

  // most_early: of the whole ones, how many may be cut.
  Stacks(const CollapsedFile& file, std::string_view comm, const std::vector<Frames>& forms,
         double most_early = kMostEarly)
      : counts_(forms.size()) {
    for (const CollapsedFile::Line& line : file.lines) {
      if (line.comm == comm) {
        add(line, forms);
      }
    }
    EXPECT_GT(whole_, 0U) << comm;
    constexpr double kMostEarlyOfSlow = 0.5;
    const double limit = is_slow_cpu() ? kMostEarlyOfSlow : most_early;
    EXPECT_LE(static_cast<double>(early_), limit * static_cast<double>(whole_))
        << comm << ", so many before the tables were there, or cut later:\n"
        << early_text_;
  }

  // Of a form, by its number.
  [[nodiscard]] std::uint64_t operator[](std::size_t form) const { return counts_.at(form); }
  [[nodiscard]] std::uint64_t whole() const { return whole_; }

 private:
  void add(const CollapsedFile::Line& line, const std::vector<Frames>& forms) {
    const Frames frames = user_frames(line);
    for (std::size_t i = 0; i < forms.size(); ++i) {
      if (matches(frames, forms[i])) {
        counts_[i] += line.count;
        whole_ += line.count;
        return;
      }
    }
    if (std::ranges::any_of(forms, [&](const Frames& form) { return is_begun(frames, form); })) {
      whole_ += line.count;
      return;
    }
    if (!frames.empty() && frames.front() == kNoInfo) {
      early_ += line.count;
      early_text_ += std::to_string(line.count) + line.stack() + "\n";
      return;
    }
    ADD_FAILURE() << line.comm << ": " << line.count << " of " << line.stack();
  }

  // Whether it is the way to a function that the form has between main() and the leaf.
  static bool is_begun(const Frames& frames, const Frames& form) {
    const auto main = std::ranges::find(form, "main");
    const auto size = static_cast<std::ptrdiff_t>(frames.size());
    return main != form.end() && size > main - form.begin() &&
           size < static_cast<std::ptrdiff_t>(form.size()) &&
           matches(frames, {form.begin(), form.begin() + size});
  }

  std::vector<std::uint64_t> counts_;
  std::uint64_t whole_ = 0;
  std::uint64_t early_ = 0;
  std::string early_text_;
};

}  // namespace waggle
