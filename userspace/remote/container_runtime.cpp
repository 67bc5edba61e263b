// SPDX-License-Identifier: Apache-2.0
#include "userspace/remote/container_runtime.h"

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <algorithm>

#include "userspace/remote/http.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxNameBytes = 255;
constexpr std::size_t kMaxIdBytes = 128;
constexpr std::size_t kMaxAnswerBytes = std::size_t{256} << 10;  // usual ones have 10 KiB

bool is_name_letter(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         c == '.' || c == '-';
}

std::string text_of(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

std::vector<std::string> default_container_sockets() {
  return {"/run/docker.sock", "/run/podman/podman.sock", "/proc/1/root/run/docker.sock",
          "/proc/1/root/run/podman/podman.sock"};
}

bool is_container_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameBytes && text.front() != '.' &&
         text.front() != '-' && std::ranges::all_of(text, is_name_letter);
}

std::optional<NamedContainer> parse_container(std::string_view json) {
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

Result<std::optional<NamedContainer>> ask_container(const std::string& socket,
                                                    std::string_view container,
                                                    const std::stop_token& stop) {
  constexpr long kOk = 200;
  constexpr long kNotFound = 404;
  if (!is_container_name(container)) {
    return std::optional<NamedContainer>();  // it would be another path
  }
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
  auto named = parse_container(response.body);
  if (!named) {
    return fail(Errc::malformed, fmt::format("{}: the answer is no container", socket));
  }
  return named;
}

}  // namespace waggle
