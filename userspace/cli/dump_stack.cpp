// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/dump_stack.h"

#include <algorithm>
#include <cstddef>

namespace waggle {

namespace {

using Frames = std::vector<const DumpedPythonFrame*>;

// The interpreter that a thread is in comes first; an interpreter that was made later is nearer to
// the leaf, and comes first in the list.
Frames frames_of(std::vector<const DumpedPythonStack*> pythons) {
  std::ranges::stable_partition(pythons, &DumpedPythonStack::is_attached);
  Frames frames;
  for (const DumpedPythonStack* python : pythons) {
    for (const DumpedPythonFrame& frame : python->frames) {
      frames.push_back(&frame);
    }
  }
  return frames;
}

// From the kernel down to the thread's entry.
class Joint {
 public:
  Joint(const DumpedNativeStack& native, Frames python)
      : native_(native), python_(std::move(python)) {}

  void add_to(std::vector<std::string>& lines) {
    const auto evaluations = std::ranges::count_if(native_.frames, &DumpedNativeFrame::runs_python);
    const auto entries = std::ranges::count_if(python_, &DumpedPythonFrame::is_entry);
    const bool is_joint =
        evaluations == entries || (!native_.end_marker.empty() && evaluations < entries);
    const std::string suffix = python_.empty() ? "" : "_[pn]";  // as gProfiler's PyPerf has it
    for (const DumpedNativeFrame& frame : native_.frames) {
      if (frame.runs_python && is_joint) {
        add_evaluation(lines);
      } else {
        lines.push_back(frame.text + suffix);
      }
    }
    if (!native_.end_marker.empty()) {
      lines.push_back(native_.end_marker);
    }
    while (next_ < python_.size()) {
      lines.push_back(python_[next_++]->text);
    }
  }

 private:
  void add_evaluation(std::vector<std::string>& lines) {
    bool is_last = false;
    while (next_ < python_.size() && !is_last) {
      is_last = python_[next_]->is_entry;
      lines.push_back(python_[next_++]->text);
    }
  }

  const DumpedNativeStack& native_;
  Frames python_;
  std::size_t next_ = 0;
};

}  // namespace

std::vector<std::string> join_stack(const std::vector<std::string>& kernel,
                                    const DumpedNativeStack& native,
                                    std::vector<const DumpedPythonStack*> pythons) {
  std::vector<std::string> lines;
  for (const std::string& frame : kernel) {
    lines.push_back(frame + "_[k]");
  }
  Joint(native, frames_of(std::move(pythons))).add_to(lines);
  return lines;
}

}  // namespace waggle
