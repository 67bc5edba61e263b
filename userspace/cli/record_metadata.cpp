// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/record_metadata.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/log.h"
#include "userspace/cli/version.h"
#include "userspace/metadata/external_metadata.h"

namespace waggle {

RunArguments run_arguments_of(const RecordOptions& options, std::optional<int> duration_s) {
  RunArguments arguments;
  if (options.mode == ProfilingMode::allocation) {
    arguments.emplace_back("alloc_interval", std::to_string(options.alloc_interval_bytes));
  } else {
    arguments.emplace_back("profiling_frequency", std::to_string(options.frequency_hz));
  }
  if (duration_s) {
    arguments.emplace_back("profiling_duration", std::to_string(*duration_s));
  }
  if (!options.pids.empty()) {
    arguments.emplace_back("pids", fmt::format("{}", fmt::join(options.pids, ",")));
  }
  return arguments;
}

Result<> RecordMetadata::prepare() {
  if (!external_path_.empty()) {
    auto read = read_external_metadata(external_path_);
    if (!read) {
      return add_context("--external-metadata", std::move(read).error());
    }
    if (!read->problem.empty()) {
      LOG_WARNING("--external-metadata: {}, continuing without it", read->problem);
    }
    external_ = std::move(read->of_host);
    told_ = std::move(read->of_processes);
  }
  if (cloud_asking_ == CloudAsking::always ||
      (cloud_asking_ == CloudAsking::where_it_is_one && is_machine_of_cloud())) {
    question_ = std::make_unique<CloudQuestion>(CloudPlaces{});
  }
  return {};
}

ToldApplications RecordMetadata::read_told() const {
  if (external_path_.empty()) {
    return {};
  }
  auto read = read_external_metadata(external_path_);
  const std::string problem = read ? read->problem : read.error().what;
  if (!problem.empty()) {
    LOG_WARNING("--external-metadata: {}, continuing without what it told of processes", problem);
  }
  return read ? std::move(read->of_processes) : ToldApplications();
}

void RecordMetadata::fill(ProfileHeader& header, RunArguments run_arguments) {
  const OwnMetadata own{.version = std::string(program_version()),
                        .spawn_time = spawn_time_,
                        .spawn_uptime = spawn_uptime_,
                        .profiling_mode = header.profiling_mode,
                        .run_arguments = std::move(run_arguments)};
  Metadata metadata = has_metadata_ ? collect_system_metadata(own) : least_metadata(own);
  if (question_) {
    cloud_ = std::exchange(question_, nullptr)->finish();
  }
  if (cloud_) {
    std::ranges::find(metadata, "cloud_provider", &Metadata::value_type::first)->second =
        json_text(cloud_->provider);
    metadata.emplace_back("cloud_info", cloud_->info);
  }
  if (!external_.empty()) {
    metadata.emplace_back("external_metadata", external_);
  }
  header.metadata = std::move(metadata);
}

}  // namespace waggle
