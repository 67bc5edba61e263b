// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/linux_perf/node_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "base/text.h"
#include "base/unique_fd.h"
#include "userspace/process/proc_fs.h"
#include "userspace/process/proc_maps.h"

namespace waggle {

namespace {

constexpr std::uint16_t kUsualPort = 9229;

std::string node_options(const NodeProcess& node) {
  constexpr std::string_view kVariable = "NODE_OPTIONS=";
  const std::string environment = node.read_text("environ");
  for (const std::string_view entry : split(environment, '\0')) {
    if (entry.starts_with(kVariable)) {
      return std::string(entry.substr(kVariable.size()));
    }
  }
  return {};
}

// "--inspect=[::1]:9300", "--inspect-port=0"; one without a number says nothing.
void read_port(std::string_view word, std::uint16_t& port) {
  for (const std::string_view option :
       {"--inspect=", "--inspect-brk=", "--inspect-wait=", "--inspect-port=", "--debug-port="}) {
    if (!word.starts_with(option)) {
      continue;
    }
    const std::string_view value = word.substr(option.size());
    const std::size_t colon = value.rfind(':');
    const auto number =
        parse_number<std::uint16_t>(colon == value.npos ? value : value.substr(colon + 1));
    port = number.value_or(port);
  }
}

bool writes_its_map(const NodeProcess& node) {
  const std::string words = node.read_text("cmdline") + node_options(node);
  return words.find("--perf-basic-prof") != std::string::npos ||
         words.find("--perf_basic_prof") != std::string::npos;
}

// A read() of the program that a signal interrupts is an exception to it; what waits for events,
// for locks, or runs is begun again.  Of the main thread, which Node has signals go to.
bool is_interruptible(const NodeProcess& node) {
  const std::string text = node.read_text("syscall");
  const auto number = parse_number<long>(std::string_view(text).substr(0, text.find(' ')));
  constexpr auto kHarmless =
      std::to_array<long>({-1, SYS_epoll_wait, SYS_epoll_pwait, SYS_futex});  // -1: in none
  return !number || std::ranges::find(kHarmless, *number) != kHarmless.end();
}

}  // namespace

Result<NodeProcess> find_node(pid_t pid) {
  NodeProcess node;
  TRY(node.open(pid));
  TRY(node.identify());
  const UniqueFd maps(::openat(node.directory.get(), "maps", O_RDONLY | O_CLOEXEC));
  if (!maps.is_open()) {
    return fail_errno("maps", errno);
  }
  TRY(read_maps(maps.get(), MapsFilter::executable, [&](const MapsEntry& entry) {
    const std::string_view name = entry.path.substr(entry.path.rfind('/') + 1);
    node.is_musl |= name.starts_with("ld-musl-");
  }));
  return node;
}

std::optional<NodeRefusal> why_not_to_inspect(const NodeProcess& node) {
  if (writes_its_map(node)) {
    return NodeRefusal{
        .reason = "it writes its perf map itself", .may_pass = false, .needs_nothing = true};
  }
  const auto stat = read_stat_at(node.directory.get());
  if (!stat || stat->state == 'T' || stat->state == 't') {
    return NodeRefusal{.reason = "it is stopped", .may_pass = false};
  }
  if (!node.catches(SIGUSR1)) {
    return NodeRefusal{.reason = "it does not handle SIGUSR1, which would end it",
                       .may_pass = true};
  }
  return std::nullopt;
}

Result<> ask_for_inspector(const NodeProcess& node) {
  if (!is_interruptible(node)) {
    return fail(Errc::exhausted, "it is in a system call that a signal would interrupt");
  }
  return node.send_caught(SIGUSR1, "it");
}

std::uint16_t parse_inspector_port(std::string_view command_line, std::string_view node_options) {
  std::uint16_t port = kUsualPort;
  for (const std::string_view word : split(node_options, ' ')) {
    read_port(word, port);
  }
  for (const std::string_view word : split(command_line, '\0')) {
    read_port(word, port);
  }
  return port;
}

std::uint16_t inspector_port(const NodeProcess& node) {
  return parse_inspector_port(node.read_text("cmdline"), node_options(node));
}

}  // namespace waggle
