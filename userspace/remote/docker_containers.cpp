// SPDX-License-Identifier: Apache-2.0
#include "userspace/remote/docker_containers.h"

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <cstddef>

#include "userspace/remote/http.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxIdBytes = 128;
constexpr std::size_t kMaxAnswerBytes = std::size_t{256} << 10;  // usual ones have 10 KiB

std::string text_of(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

std::optional<NamedContainer> parse_docker_container(std::string_view json) {
  const auto object = nlohmann::json::parse(json, nullptr, false);
  if (!object.is_object()) {
    return std::nullopt;
  }
  NamedContainer container{.id = text_of(object, "Id"), .name = text_of(object, "Name")};
  container.name.erase(0, container.name.starts_with('/') ? 1 : 0);
  if (!is_container_name(container.name) || !is_container_name(container.id) ||
      container.id.size() > kMaxIdBytes) {
    return std::nullopt;
  }
  return container;
}

Result<std::optional<NamedContainer>> ask_docker(const std::string& socket,
                                                 std::string_view container,
                                                 const std::stop_token& stop) {
  constexpr long kOk = 200;
  constexpr long kNotFound = 404;
  const HttpResponse response =
      TRY(http_exchange({.url = fmt::format("http://localhost/containers/{}/json", container),
                         .unix_socket = socket,
                         .max_bytes = kMaxAnswerBytes,
                         .stop = stop}));
  if (response.status == kNotFound) {
    return std::optional<NamedContainer>();
  }
  if (response.status != kOk) {
    return fail(Errc::system, fmt::format("{}: status {}", socket, response.status));
  }
  auto named = parse_docker_container(response.body);
  if (!named) {
    return fail(Errc::malformed, fmt::format("{}: the answer is no container", socket));
  }
  return named;
}

}  // namespace waggle
