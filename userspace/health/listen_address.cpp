// SPDX-License-Identifier: Apache-2.0
#include "userspace/health/listen_address.h"

#include <arpa/inet.h>
#include <fmt/core.h>

#include <array>

#include "base/text.h"

namespace waggle {

namespace {

bool is_address(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return ::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

}  // namespace

Result<ListenAddress> parse_listen_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  std::string host(colon == std::string_view::npos ? "" : text.substr(0, colon));
  const std::string_view port = colon == std::string_view::npos ? text : text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  }
  if (host.empty() || host == "localhost") {
    host = "127.0.0.1";
  }
  const auto number = parse_number<std::uint16_t>(port);
  if (!number || !is_address(host)) {
    return fail(Errc::malformed,
                fmt::format("\"{}\" is no ADDRESS:PORT (127.0.0.1:9090, [::1]:9090, 9090)",
                            printable(text.substr(0, 80))));
  }
  return ListenAddress{.host = std::move(host), .port = *number};
}

}  // namespace waggle
