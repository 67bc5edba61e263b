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
#include "userspace/metadata/system_metadata.h"

namespace waggle {

Result<> RecordMetadata::prepare() {
  if (!options_.external_metadata.empty()) {
    auto read = read_external_metadata(options_.external_metadata);
    if (!read) {
      return add_context("--external-metadata", std::move(read).error());
    }
    if (!read->problem.empty()) {
      LOG_WARNING("--external-metadata: {}, continuing without it", read->problem);
    }
    external_ = std::move(read->of_host);
  }
  if (options_.asks_cloud) {
    cloud_ = std::make_unique<CloudQuestion>(CloudPlaces{});
  }
  return {};
}

void RecordMetadata::fill(ProfileHeader& header) {
  OwnMetadata own{.version = std::string(program_version()),
                  .spawn_time = spawn_time_,
                  .profiling_mode = std::string(profiling_mode_name(options_.mode)),
                  .run_arguments = {}};
  if (options_.mode == ProfilingMode::allocation) {
    own.run_arguments.emplace_back("alloc_interval", std::to_string(options_.alloc_interval_bytes));
  } else {
    own.run_arguments.emplace_back("profiling_frequency", std::to_string(options_.frequency_hz));
  }
  if (options_.duration_s) {
    own.run_arguments.emplace_back("profiling_duration", std::to_string(*options_.duration_s));
  }
  if (!options_.pids.empty()) {
    own.run_arguments.emplace_back("pids", fmt::format("{}", fmt::join(options_.pids, ",")));
  }
  Metadata metadata = options_.has_metadata ? collect_system_metadata(own) : least_metadata(own);
  if (const auto found = cloud_ ? std::exchange(cloud_, nullptr)->finish() : std::nullopt) {
    std::ranges::find(metadata, "cloud_provider", &Metadata::value_type::first)->second =
        json_text(found->provider);
    metadata.emplace_back("cloud_info", found->info);
  }
  if (!external_.empty()) {
    metadata.emplace_back("external_metadata", external_);
  }
  header.metadata = std::move(metadata);
  if (options_.has_metrics) {
    header.cpu_avg = metrics_.cpu_average();
    header.mem_avg = metrics_.memory_average();
  }
}

}  // namespace waggle
