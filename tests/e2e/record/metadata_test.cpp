// SPDX-License-Identifier: Apache-2.0
// What the header of `waggle record`'s .col file says of the host.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/utsname.h>

#include <cstddef>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/file.h"
#include "tests/temp_dir.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {
namespace {

using testing::HasSubstr;

using Words = std::vector<std::string>;

class RecordMetadataTest : public testing::Test {
 protected:
  WaggleResult record(const Words& more) const {
    Words words{"record", "-d", "1", "-o", "-", "-p", std::to_string(program_.pid())};
    words.insert(words.end(), more.begin(), more.end());
    return run_waggle(words);
  }

  const TestProgram program_{{SHARES}};
};

TEST_F(RecordMetadataTest, tells_what_the_host_is_and_how_busy_it_was) {
  const WaggleResult result = record({});
  ASSERT_EQ(result.status, 0) << result.err;
  const auto header = CollapsedFile::parse(result.out).header;
  utsname name{};
  ASSERT_EQ(::uname(&name), 0);
  EXPECT_EQ(header["metadata"]["hostname"], name.nodename);
  EXPECT_EQ(header["metadata"]["kernel_release"], name.release);
  EXPECT_EQ(header["metadata"]["run_arguments"]["profiling_duration"], "1");
  EXPECT_EQ(header["metadata"]["cloud_provider"], "unknown");
  EXPECT_EQ(header["profiling_mode"], "cpu");
  EXPECT_GT(header["metrics"]["cpu_avg"].get<double>(), 0);
  EXPECT_LE(header["metrics"]["cpu_avg"].get<double>(), 100);
  EXPECT_GT(header["metrics"]["mem_avg"].get<double>(), 0);
  EXPECT_LE(header["metrics"]["mem_avg"].get<double>(), 100);
}

TEST_F(RecordMetadataTest, is_the_hosts_name_alone_when_it_is_disabled) {
  const WaggleResult result =
      record({"--disable-metadata-collection", "--disable-metrics-collection"});
  ASSERT_EQ(result.status, 0) << result.err;
  const auto header = CollapsedFile::parse(result.out).header;
  EXPECT_EQ(header["metadata"].size(), 2U);
  EXPECT_TRUE(header["metadata"].contains("hostname"));
  EXPECT_TRUE(header["metrics"]["cpu_avg"].is_null());
  EXPECT_TRUE(header["metrics"]["mem_avg"].is_null());
}

TEST_F(RecordMetadataTest, holds_what_a_file_of_others_says) {
  const TempDir dir;
  const std::string path = dir.path() + "/external.json";
  ASSERT_TRUE(write_file_atomically(path, R"({"static": {"team": "a"}})"));
  const WaggleResult result = record({"--external-metadata", path});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(CollapsedFile::parse(result.out).header["metadata"]["external_metadata"]["team"], "a");
  ASSERT_TRUE(write_file_atomically(path, "{"));
  const WaggleResult broken = record({"--external-metadata", path});
  EXPECT_EQ(broken.status, 0) << broken.err;
  EXPECT_THAT(broken.err, HasSubstr("--external-metadata: it is no JSON object, continuing"));
  const WaggleResult missing = record({"--external-metadata", dir.path() + "/none"});
  EXPECT_EQ(missing.status, 1);
  EXPECT_THAT(missing.err, HasSubstr("--external-metadata: "));
}

// A program of Python that runs until its end, and its text.
class PythonScript {
 public:
  PythonScript() {
    constexpr std::string_view kText =
        "print('ready', flush=True)\nwhile True:\n  sum(range(10000))\n";
    CHECK(write_file_atomically(path(), kText).has_value());
  }
  [[nodiscard]] std::string path() const { return dir_.path() + "/busy.py"; }

 private:
  TempDir dir_;
};

class RecordApplicationsTest : public testing::Test {
 protected:
  [[nodiscard]] CollapsedFile record(const Words& more) const {
    Words words{"record", "-d",
                "2",      "-o",
                "-",      "--no-python-versions",
                "-p",     fmt::format("{},{},{}", program_.pid(), first_.pid(), second_.pid())};
    words.insert(words.end(), more.begin(), more.end());
    const WaggleResult result = run_waggle(words);
    CHECK(result.status == 0);
    return CollapsedFile::parse(result.out);
  }
  [[nodiscard]] std::string id() const { return fmt::format("python: {0} ({0})", script_.path()); }
  // What is told of lines of the name, which must be one thing.
  [[nodiscard]] static nlohmann::json metadata_of(const CollapsedFile& file,
                                                  std::string_view comm) {
    std::set<std::size_t> indexes;
    for (const auto& line : file.lines) {
      if (line.comm == comm) {
        indexes.insert(line.application);
      }
    }
    EXPECT_EQ(indexes.size(), 1U) << file.text_of(comm);
    return indexes.empty() ? nlohmann::json()
                           : file.header["application_metadata"].at(*indexes.begin());
  }
  void expect_told(const CollapsedFile& file) const {
    const auto python = metadata_of(file, "python3");
    EXPECT_TRUE(python["python_version"].get<std::string>().starts_with("Python 3.")) << python;
    EXPECT_TRUE(python["exe_elfid"].get<std::string>().starts_with("buildid:")) << python;
    const auto native = metadata_of(file, "shares");
    EXPECT_EQ(native["exe"], std::filesystem::canonical(SHARES).string());
    EXPECT_FALSE(native.contains("python_version"));
    EXPECT_TRUE(file.header["application_metadata"].at(0).is_null());
    for (const auto& line : file.lines) {
      EXPECT_EQ(line.application_id, line.comm == "python3" ? id() : "") << line.stack();
    }
  }

  const PythonScript script_;
  const TestProgram program_{{SHARES}};
  const TestProgram first_{{"/usr/bin/python3", script_.path()}};
  const TestProgram second_{{"/usr/bin/python3", script_.path()}};
};

TEST_F(RecordApplicationsTest, are_told_once_for_equal_processes) {
  const CollapsedFile file = record({});
  expect_told(file);
  EXPECT_EQ(file.header["application_metadata"].size(), 3U);
}

TEST_F(RecordApplicationsTest, are_told_where_perf_samples) {
  expect_told(record({"--engine", "fallback", "--no-python"}));
}

TEST_F(RecordApplicationsTest, are_not_told_where_nobody_wants_to_know) {
  const CollapsedFile file =
      record({"--disable-application-metadata", "--disable-application-identifiers"});
  EXPECT_EQ(file.header["application_metadata"].dump(), "[null]");
  EXPECT_EQ(file.header["application_metadata_enabled"], false);
  EXPECT_GT(file.count_of("python3"), 0U);
  for (const auto& line : file.lines) {
    EXPECT_EQ(line.application_id, "") << line.stack();
  }
}

TEST_F(RecordApplicationsTest, have_what_a_file_of_others_says) {
  const TempDir dir;
  const std::string path = dir.path() + "/external.json";
  ASSERT_TRUE(write_file_atomically(
      path, fmt::format(R"({{"application": {{"{}": {{"team": "a"}}}}}})", program_.pid())));
  EXPECT_EQ(metadata_of(record({"--external-metadata", path}), "shares")["team"], "a");
}

}  // namespace
}  // namespace waggle
