// SPDX-License-Identifier: Apache-2.0
// Owner of what sel_cgroups and sel_comms say, and of sel_state.  Others (bpftool) may write the
// maps too, until the next set().
#pragma once

#include "base/result.h"
#include "bpf/abi/select.h"
#include "userspace/select/selection.h"

namespace waggle {

// One thread; samples may be taken meanwhile.  The maps outlive it.
class SelectionMaps {
 public:
  SelectionMaps(int cgroups_fd, int comms_fd, volatile sel_cgroup_state& state)
      : cgroups_fd_(cgroups_fd), comms_fd_(comms_fd), state_(state) {}

  // In place of what was selected before; names, once there are some, are not all taken away.  On
  // the way nothing is sampled that neither selects.
  // Errc::exhausted: more than the maps hold; what was selected before may be gone then.
  Result<> set(const Selection& selection);

 private:
  Result<> set_cgroups(const Selection& selection);
  Result<> set_comms(const Selection& selection);

  int cgroups_fd_;
  int comms_fd_;
  volatile sel_cgroup_state& state_;
};

}  // namespace waggle
