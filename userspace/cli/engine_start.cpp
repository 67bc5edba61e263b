// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/engine_start.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <chrono>
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
#include "userspace/cli/runtime_round.h"
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

Result<std::unique_ptr<RecordEngine>> runtimes_only(RecordingFacts facts,
                                                    const RecordOptions& options, int frequency_hz,
                                                    const EngineSequence& sequence) {
  return with_runtimes(TRY(make_idle_engine(options, std::move(facts))), options, frequency_hz,
                       sequence.turns);
}

// --mode allocation: async-profiler alone, in each JVM.
Result<ChosenEngine> prepare_allocation(const RecordOptions& options,
                                        const EngineSequence& sequence) {
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
  chosen.says = "async-profiler alone, in each JVM: " + chosen.choice.reason;
  chosen.engine = TRY(runtimes_only(std::move(facts), options, 0, sequence));
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
                                            int frequency_hz, const EngineSequence& sequence) {
  RecordingFacts facts;
  facts.engine = "none";
  facts.event = "none";
  ChosenEngine chosen;
  chosen.engine = TRY(runtimes_only(std::move(facts), options, frequency_hz, sequence));
  chosen.left_out.push_back(reason + ": no samples of the system");
  // The same in each session: it is told once.
  chosen.warning = fmt::format(
      "--skip-system-profilers-above {}: the host has more processes, continuing with the "
      "profilers of runtimes alone",
      options.max_system_processes);
  chosen.choice.reason = std::move(reason);
  return chosen;
}

// In the fallback: perf is not wanted, or cannot be used.
RecordingFacts facts_without_perf(const std::string& state, std::string_view why) {
  RecordingFacts facts;
  facts.engine = "fallback";
  facts.event = "none";
  facts.tools.emplace_back("perf", state);
  facts.excluded.push_back(runtimes_alone(why));
  return facts;
}

struct PerfEngine {
  std::unique_ptr<RecordEngine> engine;
  PerfProgram perf;
};

Result<PerfEngine> prepare_perf(const RecordOptions& options, int frequency_hz, bool goes_on) {
  PerfProgram perf = TRY(find_perf(options));
  auto engine = TRY(make_fallback_engine(options, frequency_hz, perf.path, goes_on));
  return PerfEngine{.engine = std::move(engine), .perf = std::move(perf)};
}

// A refusal holds for a while.
Result<PerfEngine> ask_perf(const RecordOptions& options, int frequency_hz, bool goes_on,
                            EngineSequence& sequence) {
  constexpr std::chrono::minutes kPatience(10);
  const auto now = std::chrono::steady_clock::now();
  if (sequence.refusal && now < sequence.asked_again) {
    return std::unexpected(*sequence.refusal);
  }
  sequence.refusal.reset();
  auto perf = prepare_perf(options, frequency_hz, goes_on);
  if (!perf && goes_on) {
    sequence.refusal = perf.error();
    sequence.asked_again = now + kPatience;
  }
  return perf;
}

// The profilers of runtimes that there are without perf; none where a path that was given is wrong:
// that is to be mended.
std::vector<std::string> profilers_beside(const RecordOptions& options) {
  const bool is_wrong = !options.perf_path.empty() && !locate_tool("perf", options.perf_path);
  return is_wrong ? std::vector<std::string>() : find_usable_profilers(options);
}

// What is told before a line of it: why there is no BPF, where nobody asked for that.
std::string reason_before(const EngineChoice& choice, const RecordOptions& options) {
  return options.engine == Engine::fallback ? "" : choice.reason + "; ";
}

Result<ChosenEngine> prepare_beside_perf(EngineChoice choice, PerfEngine perf,
                                         const RecordOptions& options, int frequency_hz,
                                         const EngineSequence& sequence) {
  ChosenEngine chosen;
  chosen.engine = TRY(with_runtimes(std::move(perf.engine), options, frequency_hz, sequence.turns));
  const std::string what =
      fmt::format("sampling with perf {} ({})", perf.perf.version, perf.perf.path);
  if (options.engine == Engine::fallback) {
    chosen.says = fmt::format("{}: {}", what, choice.reason);
  } else {
    chosen.warning = reason_before(choice, options) + what + " instead";
  }
  chosen.choice = std::move(choice);
  return chosen;
}

Result<ChosenEngine> prepare_fallback(EngineChoice choice, const RecordOptions& options,
                                      int frequency_hz, EngineSequence& sequence) {
  TRY(check_fallback(options));
  ChosenEngine chosen;
  if (options.is_perf_disabled) {
    chosen.engine =
        TRY(runtimes_only(facts_without_perf("disabled (--perf-mode)", "--perf-mode disabled"),
                          options, frequency_hz, sequence));
    chosen.choice = std::move(choice);
    chosen.says = "--perf-mode disabled: the stacks of runtimes alone";
    return chosen;
  }
  const std::vector<std::string> others = profilers_beside(options);
  auto perf = ask_perf(options, frequency_hz, !others.empty(), sequence);
  if (perf) {
    return prepare_beside_perf(std::move(choice), *std::move(perf), options, frequency_hz,
                               sequence);
  }
  if (others.empty()) {
    return std::unexpected(std::move(perf).error());
  }
  const std::string& why = perf.error().what;
  chosen.engine = TRY(runtimes_only(facts_without_perf(why, why), options, frequency_hz, sequence));
  chosen.warning = fmt::format(
      "{}{}; continuing with {} alone: no native and no kernel stacks, and nothing of other "
      "programs (see: waggle doctor)",
      reason_before(choice, options), why, fmt::join(others, ", "));
  chosen.choice = std::move(choice);
  chosen.refusal = std::move(perf).error();
  return chosen;
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
                                    EngineSequence& sequence) {
  if (options.mode == ProfilingMode::allocation) {
    return prepare_allocation(options, sequence);
  }
  if (std::string limit = TRY(find_size_limit(options)); !limit.empty()) {
    return prepare_without_system(std::move(limit), options, frequency_hz, sequence);
  }
  EngineChoice choice = TRY(choose_engine(options.engine, ask_host(options.btf_path)));
  if (choice.is_fallback) {
    return prepare_fallback(std::move(choice), options, frequency_hz, sequence);
  }
  auto engine = use == EngineUse::recording ? make_ebpf_engine(options, frequency_hz)
                                            : make_lasting_ebpf_engine(options, frequency_hz);
  if (!engine && options.engine != Engine::ebpf) {
    return prepare_fallback(choose_after_refusal(engine.error()), options, frequency_hz, sequence);
  }
  if (!engine) {
    return std::unexpected(std::move(engine).error());
  }
  ChosenEngine chosen;
  chosen.says = fmt::format("sampling in the kernel (ebpf): {}", choice.reason);
  chosen.choice = std::move(choice);
  chosen.engine = *std::move(engine);
  if (use != EngineUse::looks) {
    chosen.engine =
        TRY(with_runtimes(std::move(chosen.engine), options, frequency_hz, sequence.turns));
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
