// SPDX-License-Identifier: Apache-2.0
#include "userspace/metadata/cloud_metadata.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "tests/temp_dir.h"
#include "tests/test_program.h"

namespace waggle {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kLong(20'000);  // on a host without a CPU to spare

TestProgram cloud(const std::string& provider) {
  return TestProgram({"python3", CLOUD, provider});
}
CloudPlaces at(const TestProgram& service) {
  const std::string place = "http://127.0.0.1:" + service.first_line();
  return {.aws = place, .gcp = place, .azure = place};
}

class Tables {
 public:
  explicit Tables(const std::string& name, const std::string& text) {
    const std::string place = dir_.path() + "/class/dmi/id";
    std::filesystem::create_directories(place);
    EXPECT_TRUE(write_file_atomically(place + "/" + name, text + "\n"));
  }
  [[nodiscard]] bool are_of_cloud() const { return is_machine_of_cloud(dir_.path()); }

 private:
  TempDir dir_;
};

TEST(CloudMachine, is_known_by_its_tables) {
  EXPECT_TRUE(Tables("sys_vendor", "Amazon EC2").are_of_cloud());
  EXPECT_TRUE(Tables("bios_version", "4.11.amazon").are_of_cloud());
  EXPECT_TRUE(Tables("product_name", "Google Compute Engine").are_of_cloud());
  EXPECT_TRUE(Tables("chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77").are_of_cloud());
}

TEST(CloudMachine, is_no_other) {
  EXPECT_FALSE(Tables("sys_vendor", "Microsoft Corporation").are_of_cloud());
  EXPECT_FALSE(Tables("sys_vendor", "QEMU").are_of_cloud());
  EXPECT_FALSE(is_machine_of_cloud("/nonexistent"));
}

TEST(CloudMetadata, is_that_of_aws) {
  const TestProgram service = cloud("aws");
  const auto found = ask_clouds(at(service), kLong);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->provider, "aws");
  const auto info = nlohmann::json::parse(found->info);
  EXPECT_EQ(info["instance_id"], "i-1");
  EXPECT_EQ(info["zone"], "ra");
  EXPECT_EQ(info["life_cycle"], "spot");
}

TEST(CloudMetadata, is_that_of_gcp) {
  const TestProgram service = cloud("gcp");
  const auto found = ask_clouds(at(service), kLong);
  ASSERT_TRUE(found);
  const auto info = nlohmann::json::parse(found->info);
  EXPECT_EQ(info["provider"], "gcp");
  EXPECT_EQ(info["instance_type"], "e2");
  EXPECT_EQ(info["zone"], "z");
  EXPECT_EQ(info["instance_id"], "7");
  EXPECT_EQ(info["preemptible"], true);
  EXPECT_EQ(info["preempted"], false);
}

TEST(CloudMetadata, is_that_of_azure) {
  const TestProgram service = cloud("azure");
  const auto found = ask_clouds(at(service), kLong);
  ASSERT_TRUE(found);
  const auto info = nlohmann::json::parse(found->info);
  EXPECT_EQ(info["provider"], "azure");
  EXPECT_EQ(info["instance_id"], "v");
  EXPECT_EQ(info["region"], "l");
}

TEST(CloudMetadata, is_nothing_outside_of_a_cloud) {
  const CloudPlaces nowhere{
      .aws = "http://127.0.0.1:1", .gcp = "http://127.0.0.1:1", .azure = "http://127.0.0.1:1"};
  EXPECT_FALSE(ask_clouds(nowhere, kLong));
}

TEST(CloudMetadata, is_waited_for_no_longer_than_said) {
  const TestProgram service = cloud("hang");
  const auto before = Clock::now();
  EXPECT_FALSE(ask_clouds(at(service), milliseconds(300)));
  EXPECT_LT(Clock::now() - before, milliseconds(5'000));
}

TEST(CloudMetadata, is_nothing_for_another_text) {
  for (const std::string text :
       {"", "[]", "{}", "null", R"({"instanceId":7,"machineType":[],"vmId":{}})", "{"}) {
    EXPECT_FALSE(parse_aws(text, "")) << text;
    EXPECT_FALSE(parse_gcp(text)) << text;
    EXPECT_FALSE(parse_azure(text)) << text;
  }
  EXPECT_TRUE(parse_gcp(R"({"machineType":"m","scheduling":7,"id":-1})"));
  EXPECT_TRUE(parse_azure(R"({"vmId":"v","storageProfile":7})"));
}

}  // namespace
}  // namespace waggle
