// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/record_selection.h"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "userspace/process/proc_fs.h"
#include "userspace/remote/container_runtime.h"
#include "userspace/select/match.h"

namespace waggle {

namespace {

// Nothing: it is gone, or not selected.
std::optional<std::string> line_of(std::uint32_t pid, const RecordOptions& options,
                                   const Selection& selection) {
  const bool is_named = std::ranges::binary_search(options.pids, static_cast<pid_t>(pid));
  const Result<ProcStat> stat = ProcFs().read_stat(pid);
  auto reasons = match_process(pid, selection);
  if (!stat || !reasons || (!options.pids.empty() && !is_named)) {
    return std::nullopt;
  }
  if (is_named) {
    reasons->insert(reasons->begin(),
                    options.with_children ? "--pids, with later children" : "--pids");
  }
  if (reasons->empty()) {
    reasons->emplace_back("the whole host");
  }
  return fmt::format("{:>7} {:<15} {}\n", pid, printable(stat->comm),
                     printable(fmt::format("{}", fmt::join(*reasons, "; "))));
}

}  // namespace

SelectionWish wish_of(const RecordOptions& options) {
  return {.cgroups = options.cgroups,
          .excluded_cgroups = options.excluded_cgroups,
          .containers = options.containers,
          .comms = options.comms};
}

SelectionFinder finder_of(const RecordOptions& options) {
  SelectionFinder::IdOfContainer id_of;
  if (options.has_container_names) {
    id_of = [sockets = container_sockets_of(options)](std::string_view name,
                                                      const std::stop_token& stop) {
      return find_container_id(sockets, name, stop);
    };
  }
  return {options.ranks_cgroups ? std::optional(options.ranking) : std::nullopt, std::move(id_of)};
}

Result<Selection> find_selection(const RecordOptions& options) {
  return finder_of(options).find(wish_of(options));
}

std::vector<ContainerSocket> container_sockets_of(const RecordOptions& options) {
  if (!options.has_container_names) {
    return {};
  }
  std::vector<ContainerSocket> sockets;
  for (const std::string& path : options.container_sockets) {
    sockets.push_back({.path = path, .api = ContainerApi::docker});
  }
  for (const std::string& path : options.cri_sockets) {
    sockets.push_back({.path = path, .api = ContainerApi::cri});
  }
  return sockets.empty() ? default_container_sockets() : sockets;
}

Result<std::string> list_selected(const RecordOptions& options, const Selection& selection) {
  std::string text;
  for (const std::uint32_t pid : TRY(ProcFs().list_pids())) {
    if (static_cast<pid_t>(pid) != ::getpid()) {
      text += line_of(pid, options, selection).value_or("");
    }
  }
  return text;
}

}  // namespace waggle
