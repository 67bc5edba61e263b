// SPDX-License-Identifier: Apache-2.0
// The JSON object in line 1 of a .col file: gProfiler's ten keys, then ours under "waggle".
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "userspace/output/recording_facts.h"

namespace waggle {

struct ProfileHeader {
  std::vector<std::string> containers;  // distinct names met in the recording
  bool container_names_enabled = true;
  std::vector<std::string> application_metadata;  // JSON; the first one is number 1
  bool application_metadata_enabled = true;
  std::vector<std::pair<std::string, std::string>> metadata;  // the values are JSON
  std::optional<double> cpu_avg;  // % of the host, null when not measured
  std::optional<double> mem_avg;  // % of the host, null when not measured
  std::string profiling_mode = "cpu";
  std::optional<std::string> flame_graph_page;  // the agent's files have it in them
  RecordingFacts facts;
};

// One line, without "# " and without newline.  Order of keys: gProfiler's file format v1.
std::string render_header(const ProfileHeader& header);

}  // namespace waggle
