// SPDX-License-Identifier: Apache-2.0
// The container that a cgroup belongs to, by the name that its runtime gave it.  Pure; the bytes
// are untrusted: whoever may make cgroups chooses them.  Not for containers' names, which only
// their runtimes know.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "userspace/process/proc_cgroup.h"

namespace waggle {

inline constexpr std::size_t kMaxContainerIdBytes = 64;

// The id in a cgroup's name or path, of the innermost container; "" where there is none:
//   64 hexadecimal digits, as Docker, containerd, CRI-O and Podman write it ("docker-ID.scope",
//     "docker/ID", "cri-containerd-ID.scope", "kubepods/.../ID", "libpod-ID.scope/container");
//   32 and a number, alone in their component (ECS on Fargate: "ecs/TASK/TASK-NUMBER");
//   a UUID, alone in its component (Garden, Mesos).
// A pod is no container, and a container's monitor (conmon) is in none.
std::string_view container_id_of(std::string_view cgroup);

// Of a process: what the first of its hierarchies says that knows one.
std::string_view container_id_of(std::span<const ProcessCgroup> cgroups);

}  // namespace waggle
