// SPDX-License-Identifier: Apache-2.0
// Python's part of the stacks of a recording.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tests/waggle_run.h"
#include "userspace/runtimes/python/frame_text.h"

namespace waggle {

using Functions = std::vector<std::string>;

constexpr std::string_view kPythonSuffix = "_[p]";
constexpr std::string_view kPythonMarker = "[python";

// "module.NAME (FILE:LINE)_[p]"
struct RecordedFrame {
  std::string file;
  std::string name;
};

inline RecordedFrame take_apart(const std::string& text) {
  const std::size_t open = text.rfind(" (");
  const std::size_t colon = text.rfind(':');
  EXPECT_TRUE(open != std::string::npos && colon != std::string::npos && colon > open) << text;
  RecordedFrame frame{.file = text.substr(open + 2, colon - open - 2),
                      .name = text.substr(0, open)};
  // The module is made of the file: what stands before a name of one letter.
  const std::string with_x = python_frame_text({.file = frame.file, .name = "x"});
  const std::string module = with_x.substr(0, with_x.find("x ("));
  if (frame.name.starts_with(module)) {
    frame.name.erase(0, module.size());
  }
  return frame;
}

// The functions and the markers of Python, root first; nothing in a native stack.
inline Functions python_part(const CollapsedFile::Line& line) {
  Functions names;
  for (const std::string& text : line.frames) {
    if (text.ends_with(kPythonSuffix)) {
      names.push_back(take_apart(text).name);
    } else if (text.starts_with(kPythonMarker)) {
      names.push_back(text);
    }
  }
  return names;
}

// How often a process, or a thread of it, shows each.
inline std::map<Functions, std::uint64_t> python_parts(const CollapsedFile& file,
                                                       const std::string& comm,
                                                       const std::string& thread = "") {
  std::map<Functions, std::uint64_t> parts;
  for (const CollapsedFile::Line& line : file.lines) {
    const bool is_of_thread =
        thread.empty() || (!line.frames.empty() && line.frames.front() == "thread: " + thread);
    if (line.comm == comm && is_of_thread) {
      parts[python_part(line)] += line.count;
    }
  }
  return parts;
}

}  // namespace waggle
