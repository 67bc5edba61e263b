// SPDX-License-Identifier: Apache-2.0
// What must be known of a Node before its inspector is opened.  Not for talking to it: inspector.h.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "userspace/tools/target_process.h"

namespace waggle {

struct NodeProcess : TargetProcess {
  bool is_musl = false;  // its C library
};

// Of a process that is known to have a Node in it.
Result<NodeProcess> find_node(pid_t pid);

struct NodeRefusal {
  std::string reason;          // in few words
  bool may_pass;               // it has perhaps just begun
  bool needs_nothing = false;  // it has a perf map without us
};

// Why nothing must be done to it: it needs it not, would not answer, or SIGUSR1 would end it.
std::optional<NodeRefusal> why_not_to_inspect(const NodeProcess& node);

// SIGUSR1, that opens it.  Errc::exhausted: not now, for it would harm the program; perhaps later.
Result<> ask_for_inspector(const NodeProcess& node);

// The port that its inspector is on or would be, by how it was started; 0: any.
std::uint16_t inspector_port(const NodeProcess& node);

// Of the text of /proc/PID/cmdline, and the value of NODE_OPTIONS: what Node's documentation says
// of
// --inspect and its like.
std::uint16_t parse_inspector_port(std::string_view command_line, std::string_view node_options);

}  // namespace waggle
