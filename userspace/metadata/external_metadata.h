// SPDX-License-Identifier: Apache-2.0
// The file that --external-metadata names, in which others tell what they know of the host:
// {"static": {...}, "application": {"PID": {...}}}.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace waggle {

struct ExternalMetadata {
  std::string of_host = "{}";                              // JSON: what "static" holds
  std::map<std::uint32_t, std::string> of_processes = {};  // by pid; JSON objects
  std::string problem = {};  // "": none.  What is wrong with the text, which then counts as empty
};

ExternalMetadata parse_external_metadata(std::string_view text);

// Errc::not_found: there is no such file; malformed: it is older than five minutes, so that
// whoever should write it has stopped, or too large.
Result<ExternalMetadata> read_external_metadata(const std::string& path);

}  // namespace waggle
