// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/host_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>

namespace waggle {
namespace {

using testing::HasSubstr;

Capabilities holder_of(std::initializer_list<int> capabilities) {
  std::uint64_t bits = 0;
  for (const int capability : capabilities) {
    bits |= std::uint64_t{1} << capability;
  }
  return Capabilities(bits);
}

CheckItem item_named(const std::vector<CheckItem>& items, const std::string& name) {
  const auto found = std::ranges::find(items, name, &CheckItem::item);
  EXPECT_NE(found, items.end()) << name;
  return found == items.end() ? CheckItem{} : *found;
}

TEST(JudgeCapabilities, need_perfmon_and_miss_bpf) {
  const auto items = judge_capabilities(holder_of({CAP_SYSLOG}), false);
  for (const auto* name : {"CAP_BPF", "CAP_PERFMON"}) {
    const CheckItem item = item_named(items, name);
    EXPECT_EQ(item.status, CheckStatus::missing);
    EXPECT_EQ(item.is_needed, item.item == "CAP_PERFMON") << "perf records without BPF";
    EXPECT_THAT(item.remedy, HasSubstr(name));
  }
  EXPECT_EQ(item_named(items, "CAP_SYSLOG").status, CheckStatus::ok);
  EXPECT_EQ(item_named(items, "CAP_SYS_PTRACE").status, CheckStatus::limited);
  EXPECT_FALSE(item_named(items, "CAP_SYS_PTRACE").is_needed);
}

TEST(JudgeCapabilities, take_sys_admin_for_those_split_from_it) {
  const auto items = judge_capabilities(holder_of({CAP_SYS_ADMIN}), false);
  EXPECT_EQ(item_named(items, "CAP_BPF").status, CheckStatus::ok);
  EXPECT_EQ(item_named(items, "CAP_PERFMON").status, CheckStatus::ok);
  EXPECT_EQ(item_named(items, "CAP_SYSLOG").status, CheckStatus::limited);
}

TEST(JudgeCapabilities, want_sys_resource_only_where_maps_are_limited) {
  EXPECT_EQ(item_named(judge_capabilities({}, false), "CAP_SYS_RESOURCE").status, CheckStatus::ok);
  EXPECT_EQ(item_named(judge_capabilities({}, true), "CAP_SYS_RESOURCE").status,
            CheckStatus::limited);
  EXPECT_EQ(item_named(judge_capabilities(holder_of({CAP_SYS_RESOURCE}), true), "CAP_SYS_RESOURCE")
                .status,
            CheckStatus::ok);
}

TEST(JudgeContainerNames, tells_who_answers_and_who_does_not) {
  EXPECT_EQ(judge_container_names({}).detail, "no container runtime listens here");
  EXPECT_EQ(judge_container_names({}).status, CheckStatus::ok);
  const SocketAnswer docker{.path = "/run/docker.sock", .answer = {}};
  const SocketAnswer crio{.path = "/run/crio/crio.sock",
                          .answer = fail(Errc::system, "/run/crio/crio.sock does not answer")};
  EXPECT_EQ(judge_container_names({docker, docker}).detail,
            "from /run/docker.sock, /run/docker.sock");
  const CheckItem hung = judge_container_names({docker, crio});
  EXPECT_EQ(hung.status, CheckStatus::limited);
  EXPECT_FALSE(hung.is_needed);
  EXPECT_EQ(hung.detail, "/run/crio/crio.sock does not answer");
  EXPECT_THAT(hung.remedy, HasSubstr("--cri-socket"));
}

TEST(JudgeLockdown, minds_confidentiality_alone) {
  EXPECT_EQ(judge_lockdown(std::nullopt).status, CheckStatus::ok);
  EXPECT_EQ(judge_lockdown(Lockdown::integrity).status, CheckStatus::ok);
  const CheckItem item = judge_lockdown(Lockdown::confidentiality);
  EXPECT_EQ(item.status, CheckStatus::missing);
  EXPECT_FALSE(item.is_needed);
}

TEST(JudgeEngine, can_record_with_bpf_or_with_perf) {
  const Error error{Errc::not_found, "it is missing"};
  const EngineChoice ebpf{.is_fallback = false, .reason = "BTF and BPF are usable"};
  const EngineChoice fallback{.is_fallback = true, .reason = "BTF is missing"};
  const Result<std::string> perf = "/usr/bin/perf";
  const Result<std::string> no_perf = std::unexpected(error);
  EXPECT_EQ(judge_engine(ebpf, no_perf).status, CheckStatus::ok);
  EXPECT_EQ(judge_engine(fallback, perf).status, CheckStatus::limited);
  EXPECT_THAT(judge_engine(fallback, perf).detail, HasSubstr("BTF is missing"));
  for (const CheckItem& item :
       {judge_engine(fallback, no_perf), judge_engine(std::unexpected(error), perf)}) {
    EXPECT_EQ(item.status, CheckStatus::missing);
    EXPECT_TRUE(item.is_needed);
    EXPECT_THAT(item.detail + item.lost, HasSubstr("it is missing"));
  }
}

TEST(JudgeMemlock, minds_only_a_limit_that_counts) {
  const auto judge = [](std::uint64_t bytes, bool is_for_bpf, bool can_raise) {
    return judge_memlock(MemlockLimit{bytes, bytes, is_for_bpf}, can_raise).status;
  };
  EXPECT_EQ(judge(65536, false, false), CheckStatus::ok);
  EXPECT_EQ(judge(65536, true, true), CheckStatus::ok);
  EXPECT_EQ(judge(RLIM_INFINITY, true, false), CheckStatus::ok);
  EXPECT_EQ(judge(65536, true, false), CheckStatus::limited);
}

TEST(JudgeSampleRate, minds_a_limit_below_the_default) {
  EXPECT_EQ(judge_sample_rate(100000).status, CheckStatus::ok);
  EXPECT_EQ(judge_sample_rate(99).status, CheckStatus::ok);
  EXPECT_EQ(judge_sample_rate(98).status, CheckStatus::limited);
  EXPECT_EQ(judge_sample_rate(std::nullopt).status, CheckStatus::limited);
}

TEST(JudgeParanoid, minds_levels_above_mainlines_without_sys_admin) {
  const Capabilities tracer = holder_of({CAP_PERFMON});
  EXPECT_EQ(judge_paranoid(2, tracer).status, CheckStatus::ok);
  EXPECT_EQ(judge_paranoid(3, tracer).status, CheckStatus::limited);
  EXPECT_EQ(judge_paranoid(4, holder_of({CAP_SYS_ADMIN})).status, CheckStatus::ok);
  EXPECT_EQ(judge_paranoid(std::nullopt, tracer).status, CheckStatus::missing);
}

TEST(JudgeKernelAddresses, go_by_what_the_kernel_shows) {
  EXPECT_EQ(judge_kernel_addresses(1, true).status, CheckStatus::ok);
  EXPECT_EQ(judge_kernel_addresses(0, false).status, CheckStatus::limited);
}

TEST(CheckTrial, judges_what_the_recording_gave) {
  const auto trial = [](std::uint64_t samples, std::uint64_t lost) {
    return check_trial([=]() -> Result<TrialRecording> {
      return TrialRecording{
          .event = "cpu-clock", .frequency_hz = 99, .samples = samples, .lost = lost};
    });
  };
  EXPECT_EQ(trial(50, 0).status, CheckStatus::ok);
  EXPECT_THAT(trial(50, 0).detail, HasSubstr("cpu-clock at 99 Hz for half a second: 50 samples"));
  EXPECT_EQ(trial(50, 1).status, CheckStatus::limited);
  EXPECT_EQ(trial(0, 0).status, CheckStatus::missing);
  const CheckItem refused = check_trial([]() -> Result<TrialRecording> {
    return fail(Errc::permission, "perf_event_open: Permission denied");
  });
  EXPECT_EQ(refused.status, CheckStatus::missing);
  EXPECT_TRUE(refused.is_needed);
  EXPECT_EQ(refused.detail, "perf_event_open: Permission denied");
}

TEST(HostChecks, give_each_item_once_and_a_remedy_for_each_problem) {
  std::vector<CheckItem> items = check_kernel("");
  std::ranges::move(check_privileges(), std::back_inserter(items));
  std::ranges::move(check_limits(), std::back_inserter(items));
  std::ranges::move(check_tools({}), std::back_inserter(items));
  std::vector<std::string> names;
  for (const CheckItem& item : items) {
    names.push_back(item.item);
    EXPECT_FALSE(item.detail.empty()) << item.item;
    EXPECT_EQ(item.status == CheckStatus::ok, item.lost.empty()) << item.item;
    EXPECT_EQ(item.status == CheckStatus::ok, item.remedy.empty()) << item.item;
  }
  std::ranges::sort(names);
  EXPECT_EQ(std::ranges::adjacent_find(names), names.end());
}

}  // namespace
}  // namespace waggle
