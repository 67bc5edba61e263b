// SPDX-License-Identifier: Apache-2.0
// `waggle doctor` on this host, as root and without privileges.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/text.h"
#include "tests/e2e/cli/waggle_run.h"

namespace waggle {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using Words = std::vector<std::string>;

class Doctor : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "needs root";
    }
  }
};

// The line of `item`, or "".
std::string line_of(const std::string& text, const std::string& item) {
  for (const std::string_view line : split(text, '\n')) {
    constexpr std::size_t kItemColumn = 9;
    if (line.size() > kItemColumn && line.substr(kItemColumn).starts_with(item + "  ")) {
      return std::string(line);
    }
  }
  return "";
}

TEST_F(Doctor, says_that_root_can_record_and_has_tried_it) {
  const WaggleRun run = run_waggle({"doctor"});
  EXPECT_EQ(run.status, 0) << run.out;
  EXPECT_EQ(run.err, "");
  EXPECT_THAT(run.files, IsEmpty());
  for (const std::string_view line : split(run.out, '\n')) {
    EXPECT_LE(line.size(), 100U) << line;
  }
  for (const auto* item :
       {"kernel", "BTF", "BPF", "CAP_BPF", "CAP_PERFMON", "perf_event_paranoid", "kptr_restrict",
        "lockdown", "engine", "RLIMIT_MEMLOCK", "cgroups", "perf", "py-spy", "async-profiler",
        "jattach", "rbspy", "phpspy", "dotnet-trace", "perf_event_max_sample_rate"}) {
    EXPECT_NE(line_of(run.out, item), "") << item << "\n" << run.out;
  }
  EXPECT_NE(line_of(run.out, "container names"), "") << run.out;
  const std::string trial = line_of(run.out, "trial recording");
  EXPECT_THAT(trial, testing::StartsWith("ok ")) << run.out;
  EXPECT_THAT(trial, HasSubstr("99 Hz"));
}

TEST_F(Doctor, writes_the_same_as_json) {
  const WaggleRun run = run_waggle({"doctor", "--json"});
  EXPECT_EQ(run.status, 0) << run.out;
  const auto json = nlohmann::json::parse(run.out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << run.out;
  EXPECT_EQ(json["can_record"], true);
  EXPECT_GT(json["items"].size(), 20U);
  for (const auto& item : json["items"]) {
    for (const auto* key : {"item", "status", "detail", "lost", "remedy"}) {
      EXPECT_TRUE(item[key].is_string()) << item.dump();
    }
  }
}

TEST_F(Doctor, says_what_nobody_lacks) {
  const Words nobody = {"/usr/bin/setpriv", "--reuid=65534", "--regid=65534",
                        "--clear-groups",   WAGGLE,          "doctor"};
  const WaggleRun run = run_words(nobody);
  EXPECT_EQ(run.status, 3) << run.out << run.err;
  EXPECT_THAT(line_of(run.out, "CAP_BPF"), testing::StartsWith("missing "));
  EXPECT_THAT(line_of(run.out, "CAP_PERFMON"), testing::StartsWith("missing "));
  EXPECT_THAT(line_of(run.out, "BPF"), HasSubstr("Operation not permitted"));
  EXPECT_THAT(run.out, HasSubstr("waggle record cannot run here."));
}

TEST_F(Doctor, says_that_perf_records_where_there_is_no_btf) {
  const Words hidden = {"/usr/bin/unshare",
                        "--mount",
                        "/bin/sh",
                        "-c",
                        "mount -t tmpfs none /sys/kernel/btf && exec \"$0\" doctor",
                        WAGGLE};
  const WaggleRun run = run_words(hidden);
  EXPECT_EQ(run.status, 0) << run.out << run.err;
  EXPECT_THAT(line_of(run.out, "BTF"), testing::StartsWith("missing "));
  EXPECT_THAT(line_of(run.out, "engine"), testing::StartsWith("limited "));
  EXPECT_THAT(line_of(run.out, "engine"), HasSubstr("fallback, perf: BTF is missing"));
  EXPECT_THAT(line_of(run.out, "trial recording"), testing::StartsWith("ok "));
}

TEST_F(Doctor, says_that_nothing_records_without_btf_and_perf) {
  const std::string script =
      "mount -t tmpfs none /sys/kernel/btf && exec \"$0\" doctor --perf-path /nonexistent/perf";
  const Words hidden = {"/usr/bin/unshare", "--mount", "/bin/sh", "-c", script, WAGGLE};
  const WaggleRun run = run_words(hidden);
  EXPECT_EQ(run.status, 3) << run.out << run.err;
  EXPECT_THAT(line_of(run.out, "engine"), testing::StartsWith("missing "));
  EXPECT_THAT(run.out, HasSubstr("waggle record cannot run here."));
}

TEST_F(Doctor, takes_bpf_and_perfmon_for_enough) {
  const Words holder = {"/usr/bin/setpriv",
                        "--reuid=65534",
                        "--regid=65534",
                        "--clear-groups",
                        "--inh-caps=+bpf,+perfmon",
                        "--ambient-caps=+bpf,+perfmon",
                        WAGGLE,
                        "doctor"};
  const WaggleRun run = run_words(holder);
  EXPECT_EQ(run.status, 0) << run.out << run.err;
  EXPECT_THAT(line_of(run.out, "CAP_SYS_PTRACE"), testing::StartsWith("limited "));
  EXPECT_THAT(line_of(run.out, "trial recording"), testing::StartsWith("ok "));
}

TEST_F(Doctor, sees_that_it_is_in_another_pid_namespace) {
  const Words inside = {"/usr/bin/unshare", "--pid", "--fork", "--mount-proc", WAGGLE, "doctor"};
  const WaggleRun run = run_words(inside);
  EXPECT_EQ(run.status, 3) << run.out << run.err;
  EXPECT_THAT(line_of(run.out, "pid namespace"), testing::StartsWith("missing "));
}

TEST_F(Doctor, record_names_the_privilege_and_ends_in_3) {
  const Words nobody = {"/usr/bin/setpriv",
                        "--reuid=65534",
                        "--regid=65534",
                        "--clear-groups",
                        WAGGLE,
                        "record",
                        "-d",
                        "1",
                        "-o",
                        "-"};
  const WaggleRun run = run_words(nobody);
  EXPECT_EQ(run.status, 3) << run.err;
  EXPECT_EQ(run.out, "");
  EXPECT_THAT(run.err, HasSubstr("CAP_BPF and CAP_PERFMON are missing: run as root"));
  EXPECT_EQ(line_count(run.err), 1) << run.err;
  EXPECT_LT(run.taken, 2s);
}

TEST_F(Doctor, tells_when_its_output_cannot_be_written) {
  const WaggleRun run = run_words({"/bin/sh", "-c", "\"$0\" doctor > /dev/full", WAGGLE});
  EXPECT_EQ(run.status, 1);
  EXPECT_THAT(run.err, HasSubstr("waggle doctor: stdout cannot be written"));
}

}  // namespace
}  // namespace waggle
