// SPDX-License-Identifier: Apache-2.0
// What the header of `waggle record`'s .col file says of the host.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/utsname.h>

#include <string>
#include <vector>

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

}  // namespace
}  // namespace waggle
