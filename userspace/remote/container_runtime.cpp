// SPDX-License-Identifier: Apache-2.0
#include "userspace/remote/container_runtime.h"

#include <fmt/core.h>

#include <filesystem>
#include <system_error>

#include "userspace/remote/cri_containers.h"
#include "userspace/remote/docker_containers.h"

namespace waggle {

namespace {

constexpr const char* kHostRoot = "/proc/1/root";

// Whether the host's root can be looked into, and is not our own: else each socket would be asked
// twice.
bool has_root_of_host() {
  std::error_code denied;
  std::error_code unknown;
  const bool is_ours = std::filesystem::equivalent("/", kHostRoot, denied) &&
                       std::filesystem::equivalent("/proc/self/ns/mnt", "/proc/1/ns/mnt", unknown);
  return !denied && !is_ours;
}

}  // namespace

std::vector<ContainerSocket> default_container_sockets() {
  std::vector<ContainerSocket> sockets{
      {.path = "/run/docker.sock", .api = ContainerApi::docker},
      {.path = "/run/podman/podman.sock", .api = ContainerApi::docker},
      {.path = "/run/containerd/containerd.sock", .api = ContainerApi::cri},
      {.path = "/run/crio/crio.sock", .api = ContainerApi::cri},
      {.path = "/run/k3s/containerd/containerd.sock", .api = ContainerApi::cri},
      {.path = "/run/cri-dockerd.sock", .api = ContainerApi::cri},
  };
  if (has_root_of_host()) {
    const std::vector<ContainerSocket> here = sockets;
    for (const ContainerSocket& socket : here) {
      sockets.push_back({.path = kHostRoot + socket.path, .api = socket.api});
    }
  }
  return sockets;
}

std::string list_sockets(const std::vector<ContainerSocket>& sockets) {
  std::string text;
  for (const ContainerSocket& socket : sockets) {
    text += (text.empty() ? "" : ", ") + socket.path;
  }
  return text;
}

Result<std::optional<NamedContainer>> ask_container(const ContainerSocket& socket,
                                                    std::string_view container,
                                                    const std::stop_token& stop) {
  if (!is_container_name(container)) {
    return std::optional<NamedContainer>();  // in a URL it would be another path
  }
  return socket.api == ContainerApi::cri ? ask_cri(socket.path, container, stop)
                                         : ask_docker(socket.path, container, stop);
}

Result<std::string> find_container_id(const std::vector<ContainerSocket>& sockets,
                                      std::string_view name, const std::stop_token& stop) {
  std::string problem = "no container is called so";
  for (const ContainerSocket& socket : sockets) {
    if (stop.stop_requested()) {
      break;
    }
    const auto named = ask_container(socket, name, stop);
    if (named && *named) {
      return (*named)->id;
    }
    if (!named && named.error().code != Errc::not_found) {
      problem = named.error().what;
    }
  }
  return fail(Errc::not_found,
              fmt::format("{}; names were asked of {} (--container-socket, --cri-socket)", problem,
                          list_sockets(sockets)));
}

}  // namespace waggle
