// SPDX-License-Identifier: Apache-2.0
#include "userspace/output/profile_header.h"

#include <utility>

#include "userspace/output/recording_facts_json.h"

namespace waggle {

namespace {

using nlohmann::ordered_json;

ordered_json number_or_null(const std::optional<double>& value) {
  return value ? ordered_json(*value) : ordered_json(nullptr);
}

}  // namespace

std::string render_header(const ProfileHeader& header) {
  auto metadata = ordered_json::object();
  for (const auto& [key, value] : header.metadata) {
    auto parsed = ordered_json::parse(value, nullptr, false);
    metadata[key] = parsed.is_discarded() ? ordered_json(value) : std::move(parsed);
  }
  ordered_json object;
  object["containers"] = header.containers;
  object["container_names_enabled"] = header.container_names_enabled;
  object["metadata"] = metadata;
  object["metrics"] = {{"cpu_avg", number_or_null(header.cpu_avg)},
                       {"mem_avg", number_or_null(header.mem_avg)}};
  // Element 0 is "no metadata": the index that starts each line.
  auto applications = ordered_json::array({nullptr});
  for (const std::string& application : header.application_metadata) {
    auto parsed = ordered_json::parse(application, nullptr, false);
    applications.push_back(parsed.is_object() ? std::move(parsed) : ordered_json(nullptr));
  }
  object["application_metadata"] = std::move(applications);
  object["application_metadata_enabled"] = header.application_metadata_enabled;
  object["profiling_mode"] = header.profiling_mode;
  object["hwmetrics"] = nullptr;
  object["htmlblob"] = nullptr;
  object["flamegraph_html"] =
      header.flame_graph_page ? ordered_json(*header.flame_graph_page) : ordered_json(nullptr);
  object["waggle"] = facts_json(header.facts);
  return dump_json(object);
}

}  // namespace waggle
