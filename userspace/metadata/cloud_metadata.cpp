// SPDX-License-Identifier: Apache-2.0
// The instance metadata services: of AWS version 2 (with a token), of GCP and of Azure.
#include "userspace/metadata/cloud_metadata.h"

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <utility>
#include <vector>

#include "base/file.h"
#include "base/text.h"
#include "userspace/remote/http.h"

namespace waggle {

namespace {

using nlohmann::ordered_json;

constexpr std::chrono::milliseconds kLongest(5000);
constexpr std::size_t kMaxAnswerBytes = std::size_t{256} << 10;

std::string text_of(const ordered_json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string dump(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string last_component(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

std::string table(const std::string& sys, std::string_view name) {
  constexpr std::size_t kMaxBytes = 4096;
  const auto text = read_file(fmt::format("{}/class/dmi/id/{}", sys, name), kMaxBytes);
  return text ? std::string(trimmed(*text)) : "";
}

// The body, where the answer is a good one.
std::optional<std::string> ask(HttpRequest request, std::chrono::milliseconds longest,
                               const std::stop_token& stop) {
  constexpr long kOk = 200;
  request.timeout = longest;
  request.max_bytes = kMaxAnswerBytes;
  request.stop = stop;
  auto response = http_exchange(request);
  if (!response || response->status != kOk) {
    return std::nullopt;
  }
  return std::move(response->body);
}

// Three questions, one after the other.
std::optional<CloudMetadata> ask_aws(const std::string& place, std::chrono::milliseconds longest,
                                     const std::stop_token& stop) {
  const auto third = longest / 3;
  const auto token = ask({.url = place + "/latest/api/token",
                          .method = "PUT",
                          .headers = {"X-aws-ec2-metadata-token-ttl-seconds: 120"}},
                         third, stop);
  if (!token || token->find_first_of("\r\n") != std::string::npos) {
    return std::nullopt;
  }
  const std::vector<std::string> headers = {"X-aws-ec2-metadata-token: " + *token};
  const auto document =
      ask({.url = place + "/latest/dynamic/instance-identity/document", .headers = headers}, third,
          stop);
  if (!document) {
    return std::nullopt;
  }
  const auto life_cycle = ask(
      {.url = place + "/latest/meta-data/instance-life-cycle", .headers = headers}, third, stop);
  return parse_aws(*document, life_cycle.value_or(""));
}

std::optional<CloudMetadata> ask_gcp(const std::string& place, std::chrono::milliseconds longest,
                                     const std::stop_token& stop) {
  const auto instance = ask({.url = place + "/computeMetadata/v1/instance/?recursive=true",
                             .headers = {"Metadata-Flavor: Google"}},
                            longest, stop);
  return instance ? parse_gcp(*instance) : std::nullopt;
}

std::optional<CloudMetadata> ask_azure(const std::string& place, std::chrono::milliseconds longest,
                                       const std::stop_token& stop) {
  const auto compute = ask({.url = place + "/metadata/instance/compute/?api-version=2019-08-15",
                            .headers = {"Metadata: true"}},
                           longest, stop);
  return compute ? parse_azure(*compute) : std::nullopt;
}

}  // namespace

std::optional<CloudMetadata> parse_aws(std::string_view document, std::string_view life_cycle) {
  const auto object = ordered_json::parse(document, nullptr, false);
  if (!object.is_object() || text_of(object, "instanceId").empty()) {
    return std::nullopt;
  }
  const ordered_json info = {{"provider", "aws"},
                             {"region", text_of(object, "region")},
                             {"zone", text_of(object, "availabilityZone")},
                             {"instance_type", text_of(object, "instanceType")},
                             {"life_cycle", printable(life_cycle)},
                             {"account_id", text_of(object, "accountId")},
                             {"image_id", text_of(object, "imageId")},
                             {"instance_id", text_of(object, "instanceId")}};
  return CloudMetadata{.provider = "aws", .info = dump(info)};
}

std::optional<CloudMetadata> parse_gcp(std::string_view instance) {
  const auto object = ordered_json::parse(instance, nullptr, false);
  if (!object.is_object() || text_of(object, "machineType").empty()) {
    return std::nullopt;
  }
  const auto scheduling = object.value("scheduling", ordered_json::object());
  const auto id = object.find("id");
  const ordered_json info = {
      {"provider", "gcp"},
      {"zone", last_component(text_of(object, "zone"))},
      {"instance_type", last_component(text_of(object, "machineType"))},
      {"preempted", text_of(object, "preempted") == "TRUE"},
      {"preemptible", scheduling.is_object() && text_of(scheduling, "preemptible") == "TRUE"},
      {"instance_id", id != object.end() && id->is_number_unsigned()
                          ? std::to_string(id->get<std::uint64_t>())
                          : text_of(object, "id")},
      {"image_id", text_of(object, "image")},
      {"name", text_of(object, "name")}};
  return CloudMetadata{.provider = "gcp", .info = dump(info)};
}

std::optional<CloudMetadata> parse_azure(std::string_view compute) {
  const auto object = ordered_json::parse(compute, nullptr, false);
  if (!object.is_object() || text_of(object, "vmId").empty()) {
    return std::nullopt;
  }
  const auto image = object.value("storageProfile", ordered_json::object());
  ordered_json info = {{"provider", "azure"},
                       {"instance_type", text_of(object, "vmSize")},
                       {"zone", text_of(object, "zone")},
                       {"region", text_of(object, "location")},
                       {"subscription_id", text_of(object, "subscriptionId")},
                       {"resource_group_name", text_of(object, "resourceGroupName")},
                       {"resource_id", text_of(object, "resourceId")},
                       {"instance_id", text_of(object, "vmId")},
                       {"name", text_of(object, "name")},
                       {"image_info", nullptr}};
  if (image.is_object() && image.contains("imageReference")) {
    info["image_info"] = image["imageReference"];
  }
  return CloudMetadata{.provider = "azure", .info = dump(info)};
}

// What cloud-init goes by.  The tag of the chassis tells Azure from another Hyper-V.
bool is_machine_of_cloud(const std::string& sys) {
  return table(sys, "sys_vendor") == "Amazon EC2" ||
         table(sys, "bios_version").contains("amazon") ||  // EC2 by Xen
         table(sys, "product_name") == "Google Compute Engine" ||
         table(sys, "chassis_asset_tag") == "7783-7084-3265-9085-8269-3286-77";
}

std::optional<CloudMetadata> ask_clouds(const CloudPlaces& places,
                                        std::chrono::milliseconds longest,
                                        const std::stop_token& stop) {
  std::optional<CloudMetadata> aws;
  std::optional<CloudMetadata> gcp;
  std::optional<CloudMetadata> azure;
  {
    const std::jthread of_aws([&] { aws = ask_aws(places.aws, longest, stop); });
    const std::jthread of_gcp([&] { gcp = ask_gcp(places.gcp, longest, stop); });
    const std::jthread of_azure([&] { azure = ask_azure(places.azure, longest, stop); });
  }
  return aws ? aws : gcp ? gcp : azure;
}

CloudQuestion::CloudQuestion(CloudPlaces places)
    : thread_([this, places = std::move(places)](const std::stop_token& stop) {
        answer_ = ask_clouds(places, kLongest, stop);
        is_answered_ = true;
      }) {}

std::optional<CloudMetadata> CloudQuestion::finish() {
  const bool has_come = is_answered_;
  thread_.request_stop();
  thread_.join();
  return has_come ? answer_ : std::nullopt;
}

}  // namespace waggle
