// SPDX-License-Identifier: Apache-2.0
// The files of one session in the agent's directory, named and linked as gProfiler does.
// Not for what is in them: collapsed.h, flame_graph.h.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace waggle {

struct SessionFiles {
  std::string directory;
  bool is_rotating = false;  // the files of the session before are removed
};

// "profile_2025-01-31T23:59:58", UTC.
std::string session_name(std::chrono::system_clock::time_point end);

// Writes <name>.col and, with a page, <name>.html, whole or not at all, and points last_profile.col
// and last_flamegraph.html to them.  Where a session that ended in the same second has the name
// already, "_2" and so on follows.  The paths written; an error leaves those before it.
Result<std::vector<std::string>> write_session(const SessionFiles& files,
                                               std::chrono::system_clock::time_point end,
                                               std::string_view collapsed,
                                               const std::optional<std::string>& page);

// The directory and those above it, if they are not there.
Result<> make_directories(const std::string& path);

}  // namespace waggle
