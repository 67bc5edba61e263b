// SPDX-License-Identifier: Apache-2.0
// What a runtime of Kubernetes (containerd, CRI-O, cri-dockerd) says of containers: ListContainers
// of the container runtime interface (github.com/kubernetes/cri-api), over gRPC.  Not for other
// runtimes: docker_containers.h.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "userspace/remote/named_container.h"

namespace waggle {

struct CriContainer {
  std::string id;
  // As Kubernetes called it in Docker, where it is Kubernetes': "k8s_front_web-1_shop_5f-1_0", of
  // container, pod, namespace, the pod's uid and the restarts.  "": it cannot be called so.
  std::string name;
  std::string name_in_pod;  // "front"
};

// A ListContainersResponse.
Result<std::vector<CriContainer>> parse_cri_containers(std::string_view message);

// The one that is called so, of one in all pods also by its name there; nothing where there is
// none.  Errc::malformed: more than one.
Result<std::optional<NamedContainer>> find_cri_container(
    const std::vector<CriContainer>& containers, std::string_view name);

// As ask_container() in container_runtime.h.  By name: among those that run.  Errc::not_found also
// where containerd listens without this interface, as it does for Docker.
Result<std::optional<NamedContainer>> ask_cri(const std::string& socket, std::string_view container,
                                              const std::stop_token& stop);

}  // namespace waggle
