// SPDX-License-Identifier: Apache-2.0
// "HOST:PORT" as a person writes it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace waggle {

struct ListenAddress {
  std::string host;  // an address, without the brackets of IPv6
  std::uint16_t port;
};

// "9090" and ":9090" are the loopback's, so that nobody opens a port to the world by leaving
// something out.  0 is any free port.  The error is without the option's name.
Result<ListenAddress> parse_listen_address(std::string_view text);

}  // namespace waggle
