// SPDX-License-Identifier: Apache-2.0
// What a cloud says of the machine, by the service that each has at an address of the machine's
// own.  Not for anything that leaves the machine otherwise.
#pragma once

#include <atomic>
#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

namespace waggle {

struct CloudMetadata {
  std::string provider;  // "aws", "gcp", "azure"
  std::string info;      // a JSON object
};

// Whether the machine's own tables (DMI, below `sys`) say that it is one of AWS, GCP or Azure.
bool is_machine_of_cloud(const std::string& sys = "/sys");

struct CloudPlaces {
  std::string aws = "http://169.254.169.254";
  std::string gcp = "http://169.254.169.254";
  std::string azure = "http://169.254.169.254";
};

// Answers of the services; nothing where they are of another form.
std::optional<CloudMetadata> parse_aws(std::string_view document, std::string_view life_cycle);
std::optional<CloudMetadata> parse_gcp(std::string_view instance);
std::optional<CloudMetadata> parse_azure(std::string_view compute);

// Asks all at the same time and takes the first of aws, gcp, azure that answers.  Nothing outside
// of a cloud.  Returns within `longest`.
std::optional<CloudMetadata> ask_clouds(
    const CloudPlaces& places = {},
    std::chrono::milliseconds longest = std::chrono::milliseconds(5000),
    const std::stop_token& stop = {});

// The same on a thread of its own.
class CloudQuestion {
 public:
  explicit CloudQuestion(CloudPlaces places);
  // What has come by now; the rest is not waited for.
  std::optional<CloudMetadata> finish();

 private:
  std::optional<CloudMetadata> answer_;
  std::atomic<bool> is_answered_ = false;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace waggle
