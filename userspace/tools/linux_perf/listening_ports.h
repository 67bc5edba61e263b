// SPDX-License-Identifier: Apache-2.0
// Which ports of TCP a process itself listens on, in its own network namespace.  Not for what
// listens there.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "userspace/tools/target_process.h"

namespace waggle {

struct ListeningPort {
  std::string address;  // "127.0.0.1", "::1": where to connect to
  std::uint16_t port = 0;
  std::uint64_t inode = 0;  // of the socket, as /proc/PID/fd tells it
};

// Of one line of /proc/PID/net/tcp or tcp6 (proc_pid_net(5)); nothing: it does not listen, or the
// line is none.
std::optional<ListeningPort> parse_listening_port(std::string_view line);

// All in the network namespace of the process, whoever listens.
Result<std::vector<ListeningPort>> read_listening_ports(const TargetProcess& process);

// Whether the socket is one of the process' own descriptors.
bool has_socket(const TargetProcess& process, std::uint64_t inode);

}  // namespace waggle
