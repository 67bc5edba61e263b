// SPDX-License-Identifier: Apache-2.0
// Programs of a recording are told of, where that is wanted: for record and agent alike.  Not for
// reading what there is: metadata/application_reader.h.
#pragma once

#include <atomic>
#include <chrono>
#include <optional>
#include <stop_token>

#include "userspace/cli/record_options.h"
#include "userspace/metadata/application_reader.h"
#include "userspace/process/application.h"
#include "userspace/profile/profile.h"

namespace waggle {

// Any thread.
class ApplicationTelling {
 public:
  // For what has not been read yet, at the end of a recording.
  static constexpr std::chrono::milliseconds kPatience{500};

  explicit ApplicationTelling(const RecordOptions& options);

  [[nodiscard]] bool has_metadata() const { return has_metadata_; }
  // For an engine, which it outlives; empty where nothing is wanted.
  ApplicationSink sink();
  // Whether what is sampled from now on is told of.
  void let(bool may_tell) { is_told_ = may_tell; }
  // That reading has used.
  [[nodiscard]] std::chrono::nanoseconds cpu_time() const {
    return reader_ ? reader_->cpu_time() : std::chrono::nanoseconds();
  }
  // As ApplicationReader's.
  void take_told(ToldApplications told);
  // With what is told by then, or before `patience` is over or there is a hurry.
  Profile tell(Profile profile, std::chrono::milliseconds patience,
               const std::stop_token& hurry = {});

 private:
  bool has_metadata_;
  std::atomic<bool> is_told_ = true;
  std::optional<ApplicationReader> reader_;
};

}  // namespace waggle
