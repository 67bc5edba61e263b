// SPDX-License-Identifier: Apache-2.0
// What the header of a `.col` file says of the host, gathered while it is sampled.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "userspace/cli/record_options.h"
#include "userspace/metadata/application_metadata.h"
#include "userspace/metadata/cloud_metadata.h"
#include "userspace/metadata/system_metadata.h"
#include "userspace/output/profile_header.h"

namespace waggle {

// What was asked for, as the header tells it.
using RunArguments = std::vector<std::pair<std::string, std::string>>;
RunArguments run_arguments_of(const RecordOptions& options, std::optional<int> duration_s);

// One thread, any.
class RecordMetadata {
 public:
  explicit RecordMetadata(const RecordOptions& options)
      : external_path_(options.external_metadata),
        has_metadata_(options.has_metadata),
        cloud_asking_(options.cloud) {}

  // Reads the external file and asks the cloud.  Errc::not_found, malformed: the file cannot count.
  Result<> prepare();
  // What the external file tells of processes.
  ToldApplications take_told() { return std::move(told_); }
  // As it is now: of the agent, whose file is written anew.  A problem is told.
  ToldApplications read_told() const;
  // At the end of a recording, or of each session.
  void fill(ProfileHeader& header, RunArguments run_arguments);

 private:
  std::string external_path_;
  bool has_metadata_;
  CloudAsking cloud_asking_;
  std::chrono::system_clock::time_point spawn_time_ = std::chrono::system_clock::now();
  std::chrono::milliseconds spawn_uptime_ = uptime();
  std::string external_;  // JSON; "": none
  ToldApplications told_;
  std::unique_ptr<CloudQuestion> question_;  // nullptr: there is none, or not any more
  std::optional<CloudMetadata> cloud_;
};

}  // namespace waggle
