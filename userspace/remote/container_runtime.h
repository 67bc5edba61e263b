// SPDX-License-Identifier: Apache-2.0
// What a container runtime's socket says of one container: Docker's API (GET /containers/X/json),
// which Podman's socket has too.  Not for remembering it: container_names.h.
#pragma once

#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace waggle {

struct NamedContainer {
  std::string id;
  std::string name;  // "web"
};

// Where Docker and Podman listen, as seen from here and from the host's root.
std::vector<std::string> default_container_sockets();

// Whether a container can be called so.
bool is_container_name(std::string_view text);

// The body of an answer; nothing where it names no container.
std::optional<NamedContainer> parse_container(std::string_view json);

// `container`: an id, the beginning of one, or a name.  Nothing: the runtime knows none.
// Errc::not_found: nobody listens at the socket.  Waits a second at most.
Result<std::optional<NamedContainer>> ask_container(const std::string& socket,
                                                    std::string_view container,
                                                    const std::stop_token& stop = {});

}  // namespace waggle
