// SPDX-License-Identifier: Apache-2.0
// A tool that is looked for once it is needed, and whose absence is told once.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "userspace/runtime_profilers/notes.h"

namespace waggle {

class NeededTool {
 public:
  // `path`: as given; "": where it is found, once it is needed.  One that was given must be there.
  static Result<NeededTool> prepare(std::string_view name, const std::string& path);

  // `gives`: what the recording goes on without where it is not there.
  bool find(std::string_view gives, RuntimeNotes& notes);
  // After find() was true.
  [[nodiscard]] const std::string& path() const { return *path_; }

 private:
  explicit NeededTool(std::string_view name) : name_(name) {}

  std::string name_;
  std::optional<std::string> path_;  // once it was looked for; "": it is not there
};

}  // namespace waggle
