// SPDX-License-Identifier: Apache-2.0
// The items of `waggle doctor`: each probe's value judged.  Not for probing (userspace/attach,
// userspace/tools), nor for printing (check_report.h).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "userspace/attach/features.h"
#include "userspace/attach/privileges.h"
#include "userspace/cli/check_report.h"
#include "userspace/cli/engine_choice.h"
#include "userspace/cli/trial_recording.h"

namespace waggle {

// Release, BTF (of --btf, or ""), BPF, JIT, lockdown, cgroups.
std::vector<CheckItem> check_kernel(const std::string& btf_path);
std::vector<CheckItem> check_privileges();  // namespaces, capabilities, what sysctls hide
std::vector<CheckItem> check_limits();      // RLIMIT_MEMLOCK, perf_event_max_sample_rate
CheckItem check_container_names();
CheckItem check_trial(const std::function<Result<TrialRecording>()>& record);
// Where a person says that tools are, by ExternalTool::name; the others are looked for.
using ToolPaths = std::map<std::string, std::string, std::less<>>;
std::vector<CheckItem> check_tools(const ToolPaths& given);
// Which engine would record; perf: where it is, or that it is not found.
CheckItem judge_engine(const Result<EngineChoice>& choice, const Result<std::string>& perf);

// The judgements that depend on values alone.
CheckItem judge_lockdown(std::optional<Lockdown> lockdown);
// Of the sockets at which somebody listens.
struct SocketAnswer {
  std::string path;
  Result<> answer;
};
CheckItem judge_container_names(const std::vector<SocketAnswer>& answers);
CheckItem judge_memlock(const Result<MemlockLimit>& limit, bool can_raise);
CheckItem judge_sample_rate(std::optional<std::int64_t> rate_hz);
CheckItem judge_paranoid(std::optional<std::int64_t> level, const Capabilities& capabilities);
CheckItem judge_kernel_addresses(std::optional<std::int64_t> kptr_restrict, bool are_shown);
std::vector<CheckItem> judge_capabilities(const Capabilities& capabilities,
                                          bool is_memlock_for_bpf);

}  // namespace waggle
