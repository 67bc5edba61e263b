// SPDX-License-Identifier: Apache-2.0
// A plain client of an agent's --metrics-listen.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/unique_fd.h"

namespace waggle {

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

inline std::uint16_t free_port() {
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  CHECK(socket.is_open());
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof(address);
  CHECK(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  CHECK(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return ntohs(address.sin_port);
}

// The whole answer to `text`, with its head; "" when there is none.
inline std::string ask(std::uint16_t port, const std::string& text) {
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(port);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return "";
  }
  (void)::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL);
  std::string answer;
  std::array<char, 65536> buffer{};
  ssize_t size = 0;
  while ((size = ::read(socket.get(), buffer.data(), buffer.size())) > 0) {
    answer.append(buffer.data(), static_cast<std::size_t>(size));
  }
  return answer;
}
inline std::string get(std::uint16_t port, const std::string& path) {
  return ask(port, "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
}
inline std::string body_of(const std::string& answer) {
  const std::size_t end = answer.find("\r\n\r\n");
  return end == std::string::npos ? "" : answer.substr(end + 4);
}

}  // namespace waggle
