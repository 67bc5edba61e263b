// SPDX-License-Identifier: Apache-2.0
// The roots of processes, opened while they live, for who looks at their files later.
#pragma once

#include <sys/types.h>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>

#include "base/unique_fd.h"
#include "bpf/abi/process.h"

namespace waggle {

// An open directory.  Any thread.
using ProcessRoot = std::shared_ptr<const UniqueFd>;

// One thread.  What it hands out may be used on another.
class ProcessRoots {
 public:
  // nullptr: the process is gone, or too many roots are open.  Processes with one root and one
  // mount namespace share it.
  ProcessRoot find(const process_id& process);

 private:
  struct Key {
    std::uint64_t mounts;  // inode of the mount namespace
    std::uint64_t device;
    std::uint64_t inode;
    auto operator<=>(const Key&) const = default;
  };
  struct Known {
    process_id process;
    ProcessRoot root;
  };

  ProcessRoot open(pid_t pid);

  std::map<Key, std::weak_ptr<const UniqueFd>> roots_;
  std::unordered_map<std::uint32_t, Known> processes_;  // by pid
};

}  // namespace waggle
