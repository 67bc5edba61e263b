// SPDX-License-Identifier: Apache-2.0
// What a profile says of its host: gProfiler's keys (`metadata` in the header of a .col file).
// Not for what a cloud says of it, nor for single processes.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace waggle {

// What only the program itself knows.
struct OwnMetadata {
  std::string version;
  std::chrono::system_clock::time_point spawn_time;
  std::chrono::milliseconds spawn_uptime;
  std::string profiling_mode = "cpu";
  std::vector<std::pair<std::string, std::string>> run_arguments;  // without secrets
};

// Values are JSON; a key stands once.
using Metadata = std::vector<std::pair<std::string, std::string>>;

std::chrono::milliseconds uptime();  // of the host, with its sleep

std::string json_text(std::string_view text);  // "web" -> "\"web\""

// Reads the host whose init is `proc`/1: what cannot be read has its key all the same, as
// "<unknown>" or "unknown".  Sends nothing.
Metadata collect_system_metadata(const OwnMetadata& own, const std::string& proc = "/proc");

// The two keys that remain with --disable-metadata-collection.
Metadata least_metadata(const OwnMetadata& own);

// "2024-01-01T00:00:00.123456"
std::string iso_time(std::chrono::system_clock::time_point time);

}  // namespace waggle
