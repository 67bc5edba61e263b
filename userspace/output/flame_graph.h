// SPDX-License-Identifier: Apache-2.0
// The flame graph: one HTML file that opens without a network.  Sources of the page: page/.
// Names are data, never markup: they are in the page only as compressed base64, and its script
// shows them as text.  The page's policy lets nothing run but that script and loads nothing.
#pragma once

#include <string>

#include "base/result.h"
#include "userspace/output/recording_facts.h"
#include "userspace/profile/profile.h"

namespace waggle {

struct PageFacts {
  std::string title;  // what was recorded: a host, a command, ...
  RecordingFacts recording;
};

// The whole file.  Fails only where zlib does (Errc::system).
Result<std::string> render_flame_graph(const Profile& profile, const PageFacts& facts);

}  // namespace waggle
