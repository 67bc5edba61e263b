// SPDX-License-Identifier: Apache-2.0
// Waiting until no BPF program still uses what it read before.
#pragma once

#include "base/result.h"

namespace waggle {

// Returns after one RCU grace period (some milliseconds): every program run that was in progress
// has ended.  Uses membarrier(2); where that is refused (nohz_full hosts, seccomp), updates a map
// of maps, which waits for the same reason (kernel/bpf/syscall.c, maybe_wait_bpf_programs).
Result<> wait_for_running_programs();

}  // namespace waggle
