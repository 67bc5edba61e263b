// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/target_options.h"

#include <fmt/core.h>

#include <algorithm>
#include <climits>
#include <limits>
#include <string>
#include <utility>

#include "base/text.h"
#include "bpf/abi/select.h"
#include "userspace/cli/option_values.h"
#include "userspace/select/container_cgroups.h"

namespace waggle {

namespace {

constexpr int kMaxInt = std::numeric_limits<int>::max();

Result<std::vector<std::string>> read_names(const ParsedArguments& parsed,
                                            std::string_view option) {
  const auto names = parsed.all(option);
  for (const std::string& name : names) {
    if (name.empty() || name.size() >= PATH_MAX) {
      return fail(Errc::malformed,
                  fmt::format("--{}: {} is {}", option, quoted(name),
                              name.empty() ? "no name" : "longer than a path can be"));
    }
  }
  return std::vector<std::string>(names.begin(), names.end());
}

// As Docker, Podman and Kubernetes take them.
bool is_name_of_container(std::string_view text) {
  constexpr std::size_t kMaxBytes = 512;
  constexpr std::string_view kLetters =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.-";
  return text.size() <= kMaxBytes && text.front() != '.' && text.front() != '-' &&
         text.find_first_not_of(kLetters) == std::string_view::npos;
}

Result<std::vector<std::string>> read_sockets(const ParsedArguments& parsed,
                                              const std::string& option) {
  constexpr std::size_t kMaxBytes = 107;  // unix(7)
  std::vector<std::string> sockets = TRY(read_names(parsed, option));
  for (const std::string& socket : sockets) {
    if (socket.size() > kMaxBytes) {
      return fail(Errc::malformed,
                  fmt::format("--{}: {} is longer than the path of a socket can be", option,
                              quoted(socket)));
    }
  }
  return sockets;
}

Result<> read_containers(const ParsedArguments& parsed, RecordOptions& options) {
  options.containers = TRY(read_names(parsed, "container"));
  options.has_container_names = !parsed.has("disable-container-names");
  options.container_sockets = TRY(read_sockets(parsed, "container-socket"));
  options.cri_sockets = TRY(read_sockets(parsed, "cri-socket"));
  for (const std::string& container : options.containers) {
    if (!is_name_of_container(container)) {
      return fail(Errc::malformed,
                  fmt::format("--container: {} is neither an id nor a name (docker ps, podman ps "
                              "and crictl ps show them)",
                              quoted(container)));
    }
    if (!options.has_container_names && !is_start_of_container_id(container)) {
      return fail(Errc::malformed,
                  fmt::format("--container: {} is no id, and --disable-container-names asks for "
                              "no names",
                              quoted(container)));
    }
  }
  return {};
}

Result<> read_ranking(const ParsedArguments& parsed, RecordOptions& options) {
  constexpr int kMax = SEL_MAX_CGROUPS;
  options.ranks_cgroups = parsed.has("perf-use-cgroups");
  for (const auto& [name, limit] :
       {std::pair("perf-max-cgroups", &options.ranking.cgroups),
        std::pair("perf-max-docker-containers", &options.ranking.containers)}) {
    if (const std::string* text = parsed.find(name)) {
      *limit = static_cast<std::size_t>(TRY(parse_integer(name, *text, 0, kMax)));
      if (!options.ranks_cgroups) {
        return fail(Errc::malformed, fmt::format("--{}: needs --perf-use-cgroups", name));
      }
    }
  }
  if (!options.ranks_cgroups) {
    return {};
  }
  if (options.ranking.cgroups == 0 && options.ranking.containers == 0) {
    return fail(Errc::malformed,
                "--perf-max-cgroups: 0 needs --perf-max-docker-containers, else nothing is left");
  }
  const std::string_view other = !options.cgroups.empty()      ? "--cgroup"
                                 : !options.containers.empty() ? "--container"
                                                               : "";
  if (!other.empty()) {
    return fail(Errc::malformed, fmt::format("--perf-use-cgroups: cannot go with {}", other));
  }
  return {};
}

// All but the processes' numbers.
Result<> read_filters(const ParsedArguments& parsed, RecordOptions& options) {
  options.cgroups = TRY(read_names(parsed, "cgroup"));
  options.excluded_cgroups = TRY(read_names(parsed, "cgroup-exclude"));
  TRY(read_containers(parsed, options));
  options.comms = TRY(read_names(parsed, "comm"));
  options.is_dry_run = parsed.has("dry-run");
  TRY(read_ranking(parsed, options));
  const std::string_view filter = !options.comms.empty()              ? "--comm"
                                  : !options.excluded_cgroups.empty() ? "--cgroup-exclude"
                                                                      : "";
  if (!filter.empty() && options.engine == Engine::fallback) {
    return fail(Errc::malformed,
                fmt::format("{}: cannot go with --engine fallback, which cannot tell", filter));
  }
  return {};
}

Result<> check_command(const RecordOptions& options) {
  const std::string_view filter = !options.pids.empty() ? "--pids"
                                  : options.is_dry_run  ? "--dry-run"
                                                        : kernel_filter_of(options);
  if (filter.empty()) {
    return {};
  }
  return fail(Errc::malformed, fmt::format("{}: cannot go with a command after \"--\"", filter));
}

}  // namespace

std::string_view kernel_filter_of(const RecordOptions& options) {
  return !options.cgroups.empty()            ? "--cgroup"
         : !options.excluded_cgroups.empty() ? "--cgroup-exclude"
         : !options.containers.empty()       ? "--container"
         : options.ranks_cgroups             ? "--perf-use-cgroups"
         : !options.comms.empty()            ? "--comm"
                                             : "";
}

Result<std::vector<pid_t>> read_pids(const ParsedArguments& parsed, std::string_view option) {
  std::vector<pid_t> pids;
  for (const std::string& list : parsed.all(option)) {
    for (const std::string_view pid : split(list, ',')) {
      pids.push_back(TRY(parse_integer(option, pid, 1, kMaxInt)));
    }
  }
  std::ranges::sort(pids);
  const auto duplicates = std::ranges::unique(pids);
  pids.erase(duplicates.begin(), duplicates.end());
  return pids;
}

Result<> read_targets(const ParsedArguments& parsed, RecordOptions& options) {
  options.pids = TRY(read_pids(parsed, "pids"));
  options.with_children = parsed.has("children");
  options.command = parsed.command;
  if (options.with_children && options.pids.empty()) {
    return fail(Errc::malformed, "--children: needs --pids");
  }
  TRY(read_filters(parsed, options));
  return parsed.has_command ? check_command(options) : Result<>();
}

}  // namespace waggle
