// SPDX-License-Identifier: Apache-2.0
// The container that a cgroup belongs to, by the name that its runtime gave it.  Pure; the bytes
// are untrusted: whoever may make cgroups chooses them.
#pragma once

#include <cstddef>
#include <string_view>

namespace waggle {

inline constexpr std::size_t kContainerIdBytes = 64;

// The id in a cgroup's name or path: its last run of exactly 64 hexadecimal digits, as Docker,
// containerd, CRI-O and Podman write it ("docker-ID.scope", "docker/ID", "cri-containerd-ID.scope",
// "kubepods/.../ID"); "" where there is none.
std::string_view container_id_of(std::string_view cgroup);

// Whether the cgroup is not the container's own but that of its monitor ("crio-conmon-ID.scope").
bool is_container_monitor(std::string_view name);

}  // namespace waggle
