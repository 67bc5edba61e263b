// SPDX-License-Identifier: Apache-2.0
#include "userspace/output/recording_facts.h"

#include <cmath>
#include <initializer_list>

#include "userspace/output/recording_facts_json.h"

namespace waggle {

namespace {

using nlohmann::ordered_json;

// Frequencies are whole numbers unless the governor changed the rate within a recording.
ordered_json number(double value) {
  const bool is_whole = std::abs(value) < 1e15 && value == std::floor(value);
  return is_whole ? ordered_json(static_cast<std::int64_t>(value)) : ordered_json(value);
}

template <class Pairs>
ordered_json object_of(const Pairs& pairs) {
  auto object = ordered_json::object();
  for (const auto& [key, value] : pairs) {
    object[key] = value;
  }
  return object;
}

}  // namespace

std::uint64_t total_lost(const RecordingFacts& facts) {
  std::uint64_t sum = 0;
  for (const auto& [counter, count] : facts.lost) {
    sum += count;
  }
  return sum;
}

ordered_json facts_json(const RecordingFacts& facts) {
  ordered_json object;
  object["version"] = facts.version;
  object["kernel"] = facts.kernel;
  object["start_time"] = facts.start_time;
  object["end_time"] = facts.end_time;
  object["engine"] = facts.engine;
  object["engine_reason"] = facts.engine_reason;
  object["event"] = facts.event;
  object["frequency"] = number(facts.frequency);
  object["duration_s"] = facts.duration_s;
  object["paused_s"] = facts.paused_s;
  object["samples"] = facts.samples;
  object["lost"] = object_of(facts.lost);
  object["added"] = facts.added;
  object["throttled"] = facts.throttled;
  object["truncated"] = facts.truncated;
  object["excluded"] = facts.excluded;
  object["tools"] = object_of(facts.tools);
  object["command_status"] =
      facts.command_status ? ordered_json(*facts.command_status) : ordered_json(nullptr);
  object["overhead"] = {{"cpu_s", facts.overhead.cpu_s},
                        {"rss_bytes", facts.overhead.rss_bytes},
                        {"bpf_map_bytes", facts.overhead.bpf_map_bytes}};
  return object;
}

std::string dump_json(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace waggle
