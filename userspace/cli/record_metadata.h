// SPDX-License-Identifier: Apache-2.0
// What the header of a `.col` file says of the host, gathered while `waggle record` runs.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/result.h"
#include "userspace/cli/record_options.h"
#include "userspace/metadata/cloud_metadata.h"
#include "userspace/metadata/system_metrics.h"
#include "userspace/output/profile_header.h"

namespace waggle {

// One thread.
class RecordMetadata {
 public:
  explicit RecordMetadata(const RecordOptions& options) : options_(options) {}

  // Reads the external file and asks the cloud.  Errc::not_found, malformed: the file cannot count.
  Result<> prepare();
  // With the recording.
  void begin() { metrics_.begin(); }
  // About once a second.
  void poll() { metrics_.poll(); }
  // At its end.
  void fill(ProfileHeader& header);

 private:
  const RecordOptions& options_;
  std::chrono::system_clock::time_point spawn_time_ = std::chrono::system_clock::now();
  std::string external_;  // JSON; "": none
  SystemMetrics metrics_;
  std::unique_ptr<CloudQuestion> cloud_;
};

}  // namespace waggle
