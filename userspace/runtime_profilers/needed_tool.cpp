// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtime_profilers/needed_tool.h"

#include <fmt/core.h>

#include <utility>

#include "userspace/tools/external_tools.h"

namespace waggle {

Result<NeededTool> NeededTool::prepare(std::string_view name, const std::string& path) {
  NeededTool tool(name);
  if (!path.empty()) {
    tool.path_ = TRY(locate_tool(name, path));
  }
  return tool;
}

bool NeededTool::find(std::string_view gives, RuntimeNotes& notes) {
  if (!path_) {
    auto found = locate_tool(name_, "");
    if (!found) {
      notes.add_problem(fmt::format("{}; continuing without {}", found.error().what, gives));
    }
    path_ = std::move(found).value_or("");
  }
  return !path_->empty();
}

}  // namespace waggle
