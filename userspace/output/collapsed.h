// SPDX-License-Identifier: Apache-2.0
// Collapsed stacks (.col): gProfiler's file format v1.  Not for the content of the header line:
// see profile_header.h.
#pragma once

#include <string>
#include <string_view>

#include "userspace/profile/profile.h"

namespace waggle {

// A name as one field of a line: ';' becomes '|'; control characters, newlines and what is not
// UTF-8 become '?'.
std::string collapsed_field(std::string_view name);

// "# HEADER", then a line per distinct stack, sorted by bytes:
//   APPLICATION;CONTAINER;COMM;frame;frame... COUNT
// root first; no newline after the last line.  The count is what follows the last space.
// header_json: one line of JSON.  Without application metadata the first column is not there.
std::string render_collapsed(const Profile& profile, std::string_view header_json,
                             bool has_application_metadata = true);

}  // namespace waggle
