// SPDX-License-Identifier: Apache-2.0
#include "userspace/metadata/system_metadata.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/utsname.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <string>

#include "base/file.h"
#include "tests/temp_dir.h"
#include "tests/test_program.h"

namespace waggle {
namespace {

using testing::MatchesRegex;

OwnMetadata own() {
  return {.version = "1.2.3",
          .spawn_time = std::chrono::system_clock::from_time_t(1'704'067'200),
          .spawn_uptime = std::chrono::milliseconds(5250),
          .run_arguments = {{"frequency", "99"}}};
}

std::map<std::string, nlohmann::json> values_of(const Metadata& metadata) {
  std::map<std::string, nlohmann::json> values;
  for (const auto& [key, value] : metadata) {
    EXPECT_TRUE(values.emplace(key, nlohmann::json::parse(value)).second) << key;
  }
  return values;
}

// A host that is made up.
class FakeHost {
 public:
  void put(const std::string& path, const std::string& text) const {
    const std::filesystem::path whole = dir_.path() + "/" + path;
    std::filesystem::create_directories(whole.parent_path());
    EXPECT_TRUE(write_file_atomically(whole.string(), text));
  }
  void link(const std::string& path, const std::string& to) const {
    const std::filesystem::path whole = dir_.path() + "/" + path;
    std::filesystem::create_directories(whole.parent_path());
    std::filesystem::create_symlink(to, whole);
  }
  [[nodiscard]] std::map<std::string, nlohmann::json> collect() const {
    return values_of(collect_system_metadata(own(), dir_.path()));
  }

 private:
  TempDir dir_;
};

TEST(SystemMetadata, has_every_key_of_gprofilers) {
  const auto values = values_of(collect_system_metadata(own()));
  for (const auto* const key : {"cloud_provider",
                                "agent_version",
                                "spawn_time",
                                "python_version",
                                "run_mode",
                                "deployment_type",
                                "kernel_release",
                                "kernel_version",
                                "system_name",
                                "processors",
                                "cpu_model_name",
                                "cpu_flags",
                                "memory_capacity_mb",
                                "hostname",
                                "system",
                                "os_name",
                                "os_release",
                                "os_codename",
                                "libc_type",
                                "libc_version",
                                "hardware_type",
                                "pid",
                                "mac_address",
                                "private_ip",
                                "spawn_uptime_ms",
                                "run_arguments",
                                "big_data",
                                "current_time",
                                "profiling_mode"}) {
    EXPECT_TRUE(values.contains(key)) << key;
  }
}

TEST(SystemMetadata, is_of_this_host) {
  const auto values = values_of(collect_system_metadata(own()));
  utsname name{};
  ASSERT_EQ(::uname(&name), 0);
  EXPECT_EQ(values.at("kernel_release"), name.release);
  EXPECT_EQ(values.at("hostname"), name.nodename);
  EXPECT_EQ(values.at("hardware_type"), name.machine);
  EXPECT_EQ(values.at("pid"), ::getpid());
  EXPECT_EQ(values.at("agent_version"), "1.2.3");
  EXPECT_EQ(values.at("spawn_time"), "2024-01-01T00:00:00.000000");
  EXPECT_EQ(values.at("spawn_uptime_ms"), 5250);
  EXPECT_EQ(values.at("run_arguments")["frequency"], "99");
  EXPECT_GE(values.at("processors"), 1);
  EXPECT_GT(values.at("memory_capacity_mb"), 100);
  EXPECT_THAT(values.at("current_time").get<std::string>(),
              MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{6}"));
}

TEST(SystemMetadata, is_read_in_the_root_of_the_hosts_init) {
  const FakeHost host;
  host.put("cpuinfo", "processor : 0\nmodel name\t: Some CPU @ 2GHz\nflags\t\t: fpu vme\n\n");
  host.put("meminfo", "MemTotal:       2048000 kB\n");
  host.put("1/root/etc/os-release",
           "NAME=\"Some Linux\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=worm\n");
  host.put("1/root/lib/ld-musl-x86_64.so.1", "");
  const auto values = host.collect();
  EXPECT_EQ(values.at("cpu_model_name"), "Some CPU @ 2GHz");
  EXPECT_EQ(values.at("cpu_flags"), "fpu vme");
  EXPECT_EQ(values.at("memory_capacity_mb"), 2000);
  EXPECT_EQ(values.at("os_name"), "Some Linux");
  EXPECT_EQ(values.at("os_release"), "12");
  EXPECT_EQ(values.at("os_codename"), "worm");
  EXPECT_EQ(values.at("libc_type"), "musl");
  EXPECT_EQ(values.at("big_data"), nlohmann::json::object());
}

// Their network has the loopback alone.
TEST(SystemMetadata, is_read_in_the_namespaces_of_the_hosts_init) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  const TestProgram init({"unshare", "--net", "--uts", "sh", "-c",
                          "hostname elsewhere && echo ready && exec sleep 600"});
  const FakeHost host;
  for (const char* name : {"net", "uts"}) {
    host.link(fmt::format("1/ns/{}", name), fmt::format("/proc/{}/ns/{}", init.pid(), name));
    host.link(fmt::format("self/ns/{}", name), fmt::format("/proc/self/ns/{}", name));
  }
  const auto ours = values_of(collect_system_metadata(own()));
  const auto values = host.collect();
  EXPECT_EQ(values.at("hostname"), "elsewhere");
  EXPECT_EQ(values.at("mac_address"), "unknown");
  EXPECT_EQ(values.at("private_ip"), "unknown");
  EXPECT_EQ(values_of(collect_system_metadata(own())).at("hostname"), ours.at("hostname"));
}

TEST(SystemMetadata, takes_a_musl_beside_glibc_for_a_package) {
  const FakeHost host;
  host.put("1/root/lib/ld-musl-x86_64.so.1", "");
  host.put("1/root/lib/x86_64-linux-gnu/libc.so.6", "");
  EXPECT_EQ(host.collect().at("libc_type"), "glibc");
}

TEST(SystemMetadata, says_what_is_not_known) {
  const FakeHost host;
  host.put("cpuinfo", "\xff: \x01");
  const auto values = host.collect();
  EXPECT_EQ(values.at("cpu_model_name"), "unknown");
  EXPECT_EQ(values.at("memory_capacity_mb"), 0);
  EXPECT_EQ(values.at("cloud_provider"), "unknown");
}

TEST(SystemMetadata, knows_hosts_of_hadoop) {
  const FakeHost emr;
  emr.put("1/root/mnt/var/lib/info/extraInstanceData.json", R"({"releaseLabel":"emr-6.1"})");
  EXPECT_EQ(emr.collect().at("big_data")["provider_version"], "emr-6.1");
  const FakeHost databricks;
  databricks.put("1/root/databricks/DBR_VERSION", "13.3\n");
  EXPECT_EQ(databricks.collect().at("big_data")["provider"], "databricks");
  EXPECT_EQ(databricks.collect().at("big_data")["provider_version"], "13.3");
  const FakeHost cloudera;
  cloudera.put("1/root/opt/cloudera/cm-agent/cm_version.properties", "name=cm\nversion=7.4.4\n");
  EXPECT_EQ(cloudera.collect().at("big_data")["provider"], "cloudera");
  EXPECT_EQ(cloudera.collect().at("big_data")["provider_version"], "7.4.4");
  const FakeHost dataproc;
  dataproc.put("1/root/etc/environment", "A=b\nDATAPROC_IMAGE_VERSION=2.1\n");
  EXPECT_EQ(dataproc.collect().at("big_data")["provider"], "dataproc");
  const FakeHost broken;
  broken.put("1/root/mnt/var/lib/info/extraInstanceData.json", "[");
  EXPECT_EQ(broken.collect().at("big_data"), nlohmann::json::object());
}

TEST(LeastMetadata, is_the_hosts_name_and_the_mode) {
  const auto values = values_of(least_metadata(own()));
  EXPECT_EQ(values.size(), 2U);
  EXPECT_EQ(values.at("profiling_mode"), "cpu");
}

}  // namespace
}  // namespace waggle
