// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/engine_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace waggle {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const Error kNoBtf{Errc::unsupported, "BTF is missing (/sys/kernel/btf/vmlinux): use another"};
const Error kNoPerfmon{Errc::permission, "CAP_PERFMON is missing: run as root"};

EngineHost host_without_btf() {
  return {.tracing = {}, .bpf = std::unexpected(kNoBtf)};
}

TEST(ChooseEngine, takes_ebpf_where_it_works) {
  for (const Engine wanted : {Engine::automatic, Engine::ebpf}) {
    const auto choice = choose_engine(wanted, {.tracing = {}, .bpf = {}});
    ASSERT_TRUE(choice);
    EXPECT_FALSE(choice->is_fallback);
    EXPECT_EQ(choice->reason, "BTF and BPF are usable");
  }
}

TEST(ChooseEngine, falls_back_and_names_what_is_missing) {
  const auto choice = choose_engine(Engine::automatic, host_without_btf());
  ASSERT_TRUE(choice);
  EXPECT_TRUE(choice->is_fallback);
  EXPECT_THAT(choice->reason, StartsWith("BTF is missing"));
}

TEST(ChooseEngine, gives_ebpf_or_an_error_when_ebpf_is_asked_for) {
  const auto choice = choose_engine(Engine::ebpf, host_without_btf());
  ASSERT_FALSE(choice);
  EXPECT_EQ(choice.error().code, Errc::unsupported);
  EXPECT_EQ(choice.error().what, kNoBtf.what);
}

TEST(ChooseEngine, gives_the_fallback_that_is_asked_for_where_ebpf_works_too) {
  const auto choice = choose_engine(Engine::fallback, {.tracing = {}, .bpf = {}});
  ASSERT_TRUE(choice);
  EXPECT_TRUE(choice->is_fallback);
  EXPECT_EQ(choice->reason, "--engine fallback");
}

TEST(ChooseEngine, has_none_without_perf_events) {
  for (const Engine wanted : {Engine::automatic, Engine::ebpf, Engine::fallback}) {
    const auto choice = choose_engine(wanted, {.tracing = std::unexpected(kNoPerfmon), .bpf = {}});
    ASSERT_FALSE(choice);
    EXPECT_EQ(choice.error().code, Errc::permission);
    EXPECT_EQ(choice.error().what, kNoPerfmon.what);
  }
}

TEST(ChooseAfterRefusal, says_what_the_kernel_said_on_one_short_line) {
  const auto choice =
      choose_after_refusal({Errc::permission, "load cpu_sampler:\n" + std::string(5000, 'x')});
  EXPECT_TRUE(choice.is_fallback);
  EXPECT_THAT(choice.reason, HasSubstr("refused the BPF programs: load cpu_sampler:?xxx"));
  EXPECT_LT(choice.reason.size(), 400U);
}

}  // namespace
}  // namespace waggle
