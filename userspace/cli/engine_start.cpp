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
#include "userspace/cli/record_runtimes.h"

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

}  // namespace

Result<int> allowed_frequency(int frequency_hz) {
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

Result<ChosenEngine> prepare_engine(EngineChoice choice, const RecordOptions& options,
                                    int frequency_hz, EngineUse use,
                                    std::shared_ptr<RuntimeTurns> turns) {
  if (!choice.is_fallback) {
    auto engine = use == EngineUse::recording ? make_ebpf_engine(options, frequency_hz)
                                              : make_lasting_ebpf_engine(options, frequency_hz);
    if (engine && use == EngineUse::looks) {
      return ChosenEngine{.choice = std::move(choice), .engine = *std::move(engine)};
    }
    if (engine) {
      auto with = TRY(with_runtimes(*std::move(engine), options, frequency_hz, std::move(turns)));
      return ChosenEngine{.choice = std::move(choice), .engine = std::move(with)};
    }
    if (options.engine == Engine::ebpf) {
      return std::unexpected(std::move(engine).error());
    }
    choice = choose_after_refusal(engine.error());
  }
  if (options.engine != Engine::fallback) {
    LOG_WARNING("{}; continuing with perf instead", choice.reason);
  }
  auto perf = TRY(make_fallback_engine(options, frequency_hz));
  RecordOptions runtimes = options;
  if (use == EngineUse::looks) {
    runtimes.java_mode = JavaMode::disabled;
    runtimes.attaches_node_maps = false;
  }
  auto engine = TRY(with_runtimes(std::move(perf), runtimes, frequency_hz, std::move(turns)));
  return ChosenEngine{.choice = std::move(choice), .engine = std::move(engine)};
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
