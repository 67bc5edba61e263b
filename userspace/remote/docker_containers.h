// SPDX-License-Identifier: Apache-2.0
// What Docker's API (GET /containers/X/json), which Podman's socket has too, says of one
// container.  Not for other runtimes: cri_containers.h.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "userspace/remote/named_container.h"

namespace waggle {

// The body of an answer; nothing where it names no container.
std::optional<NamedContainer> parse_docker_container(std::string_view json);

// As ask_container() in container_runtime.h; also by the beginning of an id.
Result<std::optional<NamedContainer>> ask_docker(const std::string& socket,
                                                 std::string_view container,
                                                 const std::stop_token& stop);

}  // namespace waggle
