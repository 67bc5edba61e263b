// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/engine_start.h"

#include <fmt/core.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "userspace/attach/sampling_event.h"
#include "userspace/cli/option_values.h"
#include "userspace/cli/record_runtimes.h"
#include "userspace/process/proc_fs.h"
#include "userspace/tools/external_tools.h"

namespace waggle {

namespace {

// The process of a thread id; nothing when there is neither.
std::optional<pid_t> process_of(pid_t pid) {
  const Result<std::string> status = read_file(fmt::format("/proc/{}/status", pid), 65536);
  const std::string_view key = "\nTgid:\t";
  const std::size_t at = status ? status->find(key) : std::string::npos;
  if (at == std::string::npos) {
    return std::nullopt;
  }
  const std::string_view rest = std::string_view(*status).substr(at + key.size());
  return parse_number<pid_t>(rest.substr(0, rest.find('\n')));
}

// --mode allocation: async-profiler alone, in each JVM.
Result<ChosenEngine> prepare_allocation(const RecordOptions& options,
                                        std::shared_ptr<RuntimeTurns> turns) {
  // Without it nothing here can sample: a feature that is missing, not a target.
  if (options.async_profiler_path.empty()) {
    if (const auto library = locate_tool("async-profiler", ""); !library) {
      return fail(Errc::unsupported, "--mode allocation: " + library.error().what);
    }
  }
  RecordingFacts facts;
  facts.engine = "none";
  facts.event = "alloc";
  facts.excluded.emplace_back("all but what Java allocates (--mode allocation)");
  ChosenEngine chosen;
  chosen.choice.reason = fmt::format("--mode allocation: a sample for {} bytes, on average",
                                     with_commas(options.alloc_interval_bytes));
  chosen.engine =
      TRY(with_runtimes(make_idle_engine(std::move(facts)), options, 0, std::move(turns)));
  return chosen;
}

// --skip-system-profilers-above, if it is met: one line.
Result<std::string> find_size_limit(const RecordOptions& options) {
  if (options.max_system_processes == 0) {
    return "";
  }
  const std::size_t count = TRY(ProcFs().list_pids()).size();
  if (count <= options.max_system_processes) {
    return "";
  }
  return fmt::format("--skip-system-profilers-above {}: the host has {} processes",
                     options.max_system_processes, count);
}

// The engine that is left out is told of once, and in the header.
Result<ChosenEngine> prepare_without_system(std::string reason, const RecordOptions& options,
                                            int frequency_hz, std::shared_ptr<RuntimeTurns> turns) {
  RecordingFacts facts;
  facts.engine = "none";
  ChosenEngine chosen;
  chosen.engine = TRY(
      with_runtimes(make_idle_engine(std::move(facts)), options, frequency_hz, std::move(turns)));
  chosen.left_out.push_back(reason + ": no samples of the system");
  // The same in each session: it is told once.
  chosen.warning = fmt::format(
      "--skip-system-profilers-above {}: the host has more processes, continuing with the "
      "profilers of runtimes alone",
      options.max_system_processes);
  chosen.choice.reason = std::move(reason);
  return chosen;
}

Result<ChosenEngine> prepare_fallback(EngineChoice choice, const RecordOptions& options,
                                      int frequency_hz, EngineUse use,
                                      std::shared_ptr<RuntimeTurns> turns) {
  auto perf = TRY(make_fallback_engine(options, frequency_hz));
  RecordOptions runtimes = options;
  if (use == EngineUse::looks) {
    runtimes.java_mode = JavaMode::disabled;
    runtimes.attaches_node_maps = false;
  }
  auto engine = TRY(with_runtimes(std::move(perf), runtimes, frequency_hz, std::move(turns)));
  const bool is_asked = options.engine == Engine::fallback;
  std::string warning = is_asked ? "" : choice.reason + "; continuing with perf instead";
  return ChosenEngine{.choice = std::move(choice),
                      .engine = std::move(engine),
                      .left_out = {},
                      .warning = std::move(warning)};
}

}  // namespace

Result<int> allowed_frequency(const RecordOptions& options) {
  if (options.mode == ProfilingMode::allocation) {
    return 0;
  }
  const int frequency_hz = options.frequency_hz;
  const int limit = TRY(max_sample_rate());
  if (frequency_hz <= limit) {
    return frequency_hz;
  }
  LOG_WARNING(
      "-F {} is above kernel.perf_event_max_sample_rate, sampling at {} Hz (raise it with: "
      "sysctl "
      "kernel.perf_event_max_sample_rate={})",
      frequency_hz, limit, frequency_hz);
  return limit;
}

Result<ChosenEngine> prepare_engine(const RecordOptions& options, int frequency_hz, EngineUse use,
                                    std::shared_ptr<RuntimeTurns> turns) {
  if (options.mode == ProfilingMode::allocation) {
    return prepare_allocation(options, std::move(turns));
  }
  if (std::string limit = TRY(find_size_limit(options)); !limit.empty()) {
    return prepare_without_system(std::move(limit), options, frequency_hz, std::move(turns));
  }
  EngineChoice choice = TRY(choose_engine(options.engine, ask_host()));
  if (choice.is_fallback) {
    return prepare_fallback(std::move(choice), options, frequency_hz, use, std::move(turns));
  }
  auto engine = use == EngineUse::recording ? make_ebpf_engine(options, frequency_hz)
                                            : make_lasting_ebpf_engine(options, frequency_hz);
  if (!engine && options.engine != Engine::ebpf) {
    return prepare_fallback(choose_after_refusal(engine.error()), options, frequency_hz, use,
                            std::move(turns));
  }
  if (!engine) {
    return std::unexpected(std::move(engine).error());
  }
  ChosenEngine chosen{
      .choice = std::move(choice), .engine = *std::move(engine), .left_out = {}, .warning = {}};
  if (use != EngineUse::looks) {
    chosen.engine =
        TRY(with_runtimes(std::move(chosen.engine), options, frequency_hz, std::move(turns)));
  }
  return chosen;
}

Result<std::vector<pid_t>> find_processes(std::span<const pid_t> pids) {
  std::vector<pid_t> found;
  for (const pid_t pid : pids) {
    const std::optional<pid_t> process = process_of(pid);
    if (!process) {
      LOG_WARNING("process {} does not exist, skipping it", pid);
      continue;
    }
    if (*process != pid) {
      LOG_WARNING("{} is a thread of process {}, recording that process", pid, *process);
    }
    found.push_back(*process);
  }
  if (found.empty() && !pids.empty()) {
    return fail(Errc::not_found, "none of the processes of --pids exists (see: ps -e)");
  }
  return found;
}

}  // namespace waggle
