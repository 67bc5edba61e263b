// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/host_checks.h"

#include <fmt/core.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include <array>
#include <future>
#include <utility>

#include "userspace/attach/cgroup_mounts.h"
#include "userspace/cli/option_values.h"
#include "userspace/process/container_id.h"
#include "userspace/remote/container_runtime.h"
#include "userspace/tools/async_profiler/library.h"
#include "userspace/tools/external_tools.h"

namespace waggle {

namespace {

constexpr auto kSampling = "sampling in the kernel";

CheckItem ok(std::string item, std::string detail) {
  return {.status = CheckStatus::ok,
          .item = std::move(item),
          .detail = std::move(detail),
          .lost = {},
          .remedy = {}};
}

struct Problem {
  std::string detail;
  std::string lost;
  std::string remedy;
};

CheckItem limited(std::string item, Problem problem) {
  return {.status = CheckStatus::limited,
          .item = std::move(item),
          .detail = std::move(problem.detail),
          .lost = std::move(problem.lost),
          .remedy = std::move(problem.remedy)};
}

CheckItem missing(std::string item, Problem problem) {
  CheckItem made = limited(std::move(item), std::move(problem));
  made.status = CheckStatus::missing;
  return made;
}

// Without it `record` cannot run.
CheckItem refused(std::string item, Problem problem) {
  CheckItem made = missing(std::move(item), std::move(problem));
  made.is_needed = true;
  return made;
}

// What perf records without: judge_engine() says whether it can.
CheckItem check_btf(const std::string& btf_path) {
  if (!btf_path.empty()) {
    return ok("BTF", btf_path + ", in place of the kernel's own");
  }
  if (has_kernel_btf()) {
    return ok("BTF", kKernelBtfPath);
  }
  return missing("BTF", {fmt::format("no {}", kKernelBtfPath), kSampling,
                         "a kernel built with CONFIG_DEBUG_INFO_BTF=y, or a file of its types "
                         "(--btf FILE)"});
}

CheckItem check_bpf() {
  const Result<> probed = probe_bpf();
  if (probed) {
    return ok("BPF", "maps and programs can be loaded");
  }
  return missing("BPF", {probed.error().what, kSampling,
                         "the capabilities below; bpf(2) allowed by seccomp and LSM profiles"});
}

CheckItem check_jit() {
  constexpr auto kName = "bpf_jit_enable";
  const auto value = find_sysctl("net/core/bpf_jit_enable");
  if (value == 0) {
    return limited(kName, {"0: BPF programs are interpreted", "speed: each sample costs more",
                           "sysctl net.core.bpf_jit_enable=1"});
  }
  return ok(kName, value ? std::to_string(*value) : "not told");
}

CheckItem check_cgroups() {
  const auto mounts = read_cgroup_mounts();
  std::string text;
  for (const CgroupMount& mount : mounts ? *mounts : std::vector<CgroupMount>{}) {
    text += text.empty() ? "" : ", ";
    text += fmt::format("{} at {}", mount.is_v2 ? "v2" : mount.controllers, mount.path);
  }
  if (text.empty()) {
    return limited("cgroups", {"no hierarchy is mounted", "processes by cgroup and container",
                               "mount -t cgroup2 none /sys/fs/cgroup"});
  }
  return ok("cgroups", text);
}

CheckItem check_namespace(const Result<bool>& is_initial, std::string item, std::string lost,
                          std::string remedy) {
  if (is_initial && *is_initial) {
    return ok(std::move(item), "the host's");
  }
  return refused(std::move(item), {is_initial ? "not the host's" : is_initial.error().what,
                                   std::move(lost), std::move(remedy)});
}

std::string in_kib(std::uint64_t bytes) {
  constexpr std::uint64_t kKibibyte = 1024;
  return bytes == RLIM_INFINITY
             ? "unlimited"
             : with_commas(static_cast<std::int64_t>(bytes / kKibibyte)) + " KiB";
}

}  // namespace

CheckItem judge_lockdown(std::optional<Lockdown> lockdown) {
  if (lockdown == Lockdown::confidentiality) {
    return missing("lockdown", {"confidentiality: BPF may not read kernel memory", kSampling,
                                "boot with lockdown=integrity or none"});
  }
  return ok("lockdown", !lockdown                         ? "not told, so none"
                        : lockdown == Lockdown::integrity ? "integrity, which allows sampling"
                                                          : "none");
}

std::vector<CheckItem> check_kernel(const std::string& btf_path) {
  utsname names{};
  (void)::uname(&names);  // cannot fail with a valid pointer
  return {ok("kernel", fmt::format("{} {}", kernel_release(), names.machine)),
          check_btf(btf_path),
          check_bpf(),
          check_jit(),
          judge_lockdown(find_lockdown()),
          check_cgroups()};
}

std::vector<CheckItem> judge_capabilities(const Capabilities& capabilities,
                                          bool is_memlock_for_bpf) {
  struct Needed {
    int bit;
    std::string_view name;
    bool is_in_sys_admin;  // CAP_SYS_ADMIN stands for it
    bool is_needed;
    std::string_view lost;
  };
  constexpr auto kNeeded = std::to_array<Needed>({
      {CAP_BPF, "CAP_BPF", true, false, "sampling in the kernel"},
      {CAP_PERFMON, "CAP_PERFMON", true, true, "perf events, so sampling in the kernel"},
      {CAP_SYS_PTRACE, "CAP_SYS_PTRACE", false, false, "names in processes of other users"},
      {CAP_CHECKPOINT_RESTORE, "CAP_CHECKPOINT_RESTORE", true, false,
       "names in files that were deleted or replaced"},
      {CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", false, false,
       "names in files that only others may read"},
      {CAP_SYSLOG, "CAP_SYSLOG", false, false, "names of kernel functions"},
  });
  std::vector<CheckItem> items;
  for (const Needed& needed : kNeeded) {
    const std::string name(needed.name);
    if (capabilities.has(needed.bit)) {
      items.push_back(ok(name, "held"));
    } else if (needed.is_in_sys_admin && capabilities.has(CAP_SYS_ADMIN)) {
      items.push_back(ok(name, "not held, CAP_SYS_ADMIN stands for it"));
    } else {
      Problem problem{"not held", std::string(needed.lost),
                      fmt::format("run as root or give {}", needed.name)};
      items.push_back(needed.is_needed        ? refused(name, std::move(problem))
                      : needed.bit == CAP_BPF ? missing(name, std::move(problem))
                                              : limited(name, std::move(problem)));
    }
  }
  if (capabilities.has(CAP_SYS_RESOURCE)) {
    items.push_back(ok("CAP_SYS_RESOURCE", "held"));
  } else if (!is_memlock_for_bpf) {
    items.push_back(ok("CAP_SYS_RESOURCE", "not held, not needed on this kernel"));
  } else {
    items.push_back(limited("CAP_SYS_RESOURCE",
                            {"not held", "raising RLIMIT_MEMLOCK, which BPF maps count to here",
                             "run as root or give CAP_SYS_RESOURCE"}));
  }
  items.push_back(
      ok("CAP_SYS_ADMIN", capabilities.has(CAP_SYS_ADMIN) ? "held" : "not held, not needed"));
  return items;
}

CheckItem judge_paranoid(std::optional<std::int64_t> level, const Capabilities& capabilities) {
  constexpr auto kName = "perf_event_paranoid";
  constexpr std::int64_t kHighestOfMainline = 2;
  if (!level) {
    return refused(kName, {"the kernel has no perf events", "perf events, so sampling",
                           "a kernel built with CONFIG_PERF_EVENTS=y"});
  }
  // Levels that distributions added ask for CAP_SYS_ADMIN where mainline asks for CAP_PERFMON.
  if (*level > kHighestOfMainline && !capabilities.has(CAP_SYS_ADMIN)) {
    return limited(kName, {fmt::format("{}, above what CAP_PERFMON lifts", *level),
                           "perf events, on kernels that distributions patched",
                           "sysctl kernel.perf_event_paranoid=2"});
  }
  return ok(kName, capabilities.can_trace()
                       ? fmt::format("{}, without effect on a holder of CAP_PERFMON", *level)
                       : std::to_string(*level));
}

CheckItem judge_kernel_addresses(std::optional<std::int64_t> kptr_restrict, bool are_shown) {
  constexpr auto kName = "kptr_restrict";
  const std::string value = kptr_restrict ? std::to_string(*kptr_restrict) : "not told";
  if (are_shown) {
    return ok(kName, value + ", kernel addresses are shown to us");
  }
  return limited(kName,
                 {value + ", kernel addresses are hidden from us", "names of kernel functions",
                  "sysctl kernel.kptr_restrict=1 and CAP_SYSLOG"});
}

std::vector<CheckItem> check_privileges() {
  std::vector<CheckItem> items;
  items.push_back(check_namespace(is_in_initial_pid_namespace(), "pid namespace",
                                  "process ids: BPF knows the host's",
                                  "--pid=host (docker), hostPID: true (Kubernetes)"));
  items.push_back(check_namespace(is_in_initial_user_namespace(), "user namespace",
                                  "capabilities: the host's alone count for BPF",
                                  "run outside user namespaces"));
  const Capabilities capabilities = read_capabilities().value_or(Capabilities());
  const auto memlock = read_memlock_limit();
  for (CheckItem& item : judge_capabilities(capabilities, memlock && memlock->is_for_bpf)) {
    items.push_back(std::move(item));
  }
  items.push_back(judge_paranoid(find_sysctl("kernel/perf_event_paranoid"), capabilities));
  items.push_back(
      judge_kernel_addresses(find_sysctl("kernel/kptr_restrict"), are_kernel_addresses_shown()));
  return items;
}

CheckItem judge_memlock(const Result<MemlockLimit>& limit, bool can_raise) {
  constexpr auto kName = "RLIMIT_MEMLOCK";
  if (!limit) {
    return limited(kName, {limit.error().what, "certainty about BPF maps", "run as root"});
  }
  const std::string size = in_kib(limit->soft_bytes);
  if (!limit->is_for_bpf) {
    return ok(kName, size + ", BPF maps do not count to it here");
  }
  if (limit->soft_bytes == RLIM_INFINITY || limit->hard_bytes == RLIM_INFINITY || can_raise) {
    return ok(kName, size + ", raised when needed");
  }
  return limited(kName, {size + " for all BPF maps", "maps beyond it, so perhaps recording",
                         "ulimit -l unlimited, or LimitMEMLOCK=infinity in the unit"});
}

CheckItem judge_sample_rate(std::optional<std::int64_t> rate_hz) {
  constexpr auto kName = "perf_event_max_sample_rate";
  constexpr std::int64_t kDefaultHz = 99;
  if (!rate_hz) {
    return limited(kName, {"not told", "certainty about the highest frequency",
                           "a kernel built with CONFIG_PERF_EVENTS=y"});
  }
  const std::string rate = with_commas(*rate_hz) + " Hz";
  if (*rate_hz < kDefaultHz) {
    return limited(kName, {rate, "frequencies above it, the default of 99 Hz too",
                           "sysctl kernel.perf_event_max_sample_rate=100000"});
  }
  return ok(kName, rate);
}

std::vector<CheckItem> check_limits() {
  const Capabilities capabilities = read_capabilities().value_or(Capabilities());
  return {judge_memlock(read_memlock_limit(), capabilities.has(CAP_SYS_RESOURCE)),
          judge_sample_rate(find_sysctl("kernel/perf_event_max_sample_rate"))};
}

CheckItem judge_container_names(const std::vector<SocketAnswer>& answers) {
  constexpr auto kName = "container names";
  std::string answering;
  for (const SocketAnswer& socket : answers) {
    if (!socket.answer) {
      return limited(kName, {socket.answer.error().what, "containers' names in place of their ids",
                             "mend that runtime, or name another with --container-socket or "
                             "--cri-socket"});
    }
    answering += (answering.empty() ? "" : ", ") + socket.path;
  }
  return ok(kName, answering.empty() ? "no container runtime listens here" : "from " + answering);
}

CheckItem check_container_names() {
  const std::string nobody(kMaxContainerIdBytes, '0');
  // One that hangs takes seconds: all at the same time.
  using Question = std::future<Result<std::optional<NamedContainer>>>;
  std::vector<std::pair<std::string, Question>> asked;
  for (const ContainerSocket& socket : default_container_sockets()) {
    asked.emplace_back(socket.path, std::async(std::launch::async, [socket, &nobody] {
                         return ask_container(socket, nobody);
                       }));
  }
  std::vector<SocketAnswer> answers;
  for (auto& [path, question] : asked) {
    const auto answer = question.get();
    if (answer) {
      answers.push_back({.path = path, .answer = {}});
    } else if (answer.error().code != Errc::not_found) {
      answers.push_back({.path = path, .answer = std::unexpected(answer.error())});
    }
  }
  return judge_container_names(answers);
}

CheckItem check_trial(const std::function<Result<TrialRecording>()>& record) {
  constexpr auto kName = "trial recording";
  const Result<TrialRecording> trial = record();
  if (!trial) {
    return refused(kName, {trial.error().what, "recording", "what is missing above"});
  }
  const std::string text =
      fmt::format("{} at {} Hz for half a second: {} samples, {} lost", trial->event,
                  trial->frequency_hz, trial->samples, trial->lost);
  if (trial->samples == 0) {
    return refused(kName, {text, "recording: the event never fired",
                           "report this with the output of waggle --version --verbose"});
  }
  if (trial->lost != 0) {
    return limited(kName, {text, "samples", "waggle record --ring-size with a larger size"});
  }
  return ok(kName, text);
}

CheckItem judge_engine(const Result<EngineChoice>& choice, const Result<std::string>& perf) {
  constexpr auto kName = "engine";
  if (!choice) {
    return refused(kName, {"none", fmt::format("recording: {}", choice.error().what),
                           "what is missing above"});
  }
  if (!choice->is_fallback) {
    return ok(kName, fmt::format("ebpf: {}", choice->reason));
  }
  if (!perf) {
    return refused(kName, {fmt::format("none: {}; {}", choice->reason, perf.error().what),
                           "recording", "what is missing above, or perf"});
  }
  return limited(kName, {fmt::format("fallback, perf: {}", choice->reason), kSampling,
                         "what is missing above"});
}

// given: a person's word where it is, or "".
CheckItem check_tool(const ExternalTool& tool, const std::string& given) {
  const Result<std::string> path = locate_tool(tool.name, given);
  const std::string name(tool.name);
  if (!path) {
    return missing(name, {given.empty() ? "not found" : path.error().what, std::string(tool.serves),
                          std::string(tool.install)});
  }
  const bool is_async_profiler = tool.name == "async-profiler";
  if (tool.is_library && !is_async_profiler) {
    return ok(name, *path);
  }
  const Result<std::string> version =
      is_async_profiler ? read_async_profiler_version(*path) : read_tool_version(*path);
  return version ? ok(name, fmt::format("{} {}", *version, *path))
                 : limited(name, {fmt::format("{}: {}", *path, version.error().what),
                                  std::string(tool.serves), std::string(tool.install)});
}

std::vector<CheckItem> check_tools(const ToolPaths& given) {
  std::vector<CheckItem> items;
  for (const ExternalTool& tool : external_tools()) {
    const auto path = given.find(tool.name);
    items.push_back(check_tool(tool, path == given.end() ? "" : path->second));
  }
  return items;
}

}  // namespace waggle
