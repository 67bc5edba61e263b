// SPDX-License-Identifier: Apache-2.0
// What a container runtime's socket says of one container.  Not for remembering it:
// container_names.h.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "userspace/remote/named_container.h"

namespace waggle {

enum class ContainerApi {
  docker,  // Docker's and Podman's
  cri,     // Kubernetes' container runtime interface: containerd, CRI-O, cri-dockerd
};

struct ContainerSocket {
  std::string path;
  ContainerApi api = ContainerApi::docker;
};

// Where runtimes listen, as seen from here and, where that is another and may be seen, from the
// host's root; Docker's first, which knows cri-dockerd's containers too.
std::vector<ContainerSocket> default_container_sockets();

// "/run/docker.sock, /run/crio/crio.sock".
std::string list_sockets(const std::vector<ContainerSocket>& sockets);

// `container`: an id or a name.  Nothing: the runtime knows none.
// Errc::not_found: nobody listens at the socket.  Waits two seconds at most.
Result<std::optional<NamedContainer>> ask_container(const ContainerSocket& socket,
                                                    std::string_view container,
                                                    const std::stop_token& stop = {});

// The id of the container of this name, of all sockets' the first.  Errc::not_found: none tells
// of one, and which were asked.
Result<std::string> find_container_id(const std::vector<ContainerSocket>& sockets,
                                      std::string_view name, const std::stop_token& stop = {});

}  // namespace waggle
