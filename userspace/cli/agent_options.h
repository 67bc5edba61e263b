// SPDX-License-Identifier: Apache-2.0
// What `waggle agent` was asked to do.  Pure: nothing of the host is looked at.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>

#include "base/result.h"
#include "userspace/cli/options.h"
#include "userspace/cli/record_options.h"
#include "userspace/health/listen_address.h"

namespace waggle {

struct AgentOptions {
  RecordOptions recording;  // of each session; its duration is duration_s
  int duration_s = 60;
  std::string output_dir;  // always one
  bool has_flame_graph = true;
  bool is_output_rotating = false;

  std::string pid_file = "/run/waggle/agent.pid";
  std::string log_file = "/var/log/waggle/waggle.log";
  bool is_log_file_given = false;
  std::size_t log_max_bytes = 5'242'880;
  std::size_t log_old_count = 1;
  std::string lock_name = "waggle_lock";
  std::string heartbeat_file;                    // "": none
  std::optional<pid_t> controller_pid;           // whose end is ours
  std::optional<ListenAddress> metrics_address;  // none: nobody can ask
  bool is_rootless = false;
  bool checks_pid_namespace = true;
  bool disables_core_files = true;
  bool prints_config = false;
};

const Syntax& agent_syntax();

// Errc::malformed: one line without "waggle agent: ".
Result<AgentOptions> read_agent_options(const ParsedArguments& parsed);

}  // namespace waggle
