// SPDX-License-Identifier: Apache-2.0
// A small HTTP server on a thread of its own: GET, short answers, one request a connection.
// Not for what is answered.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "userspace/health/listen_address.h"

namespace waggle {

struct HttpReply {
  int status;
  std::string content_type;
  std::string body;
};
// Called on the server's thread, with the path alone.
using HttpAnswer = std::function<HttpReply(std::string_view path)>;

class HttpServer {
 public:
  static constexpr int kMaxHeaderBytes = 8192;
  static constexpr int kTimeoutSeconds = 5;  // of a connection that does nothing

  // Errc::system: the address cannot be had.
  static Result<HttpServer> start(const ListenAddress& address, HttpAnswer answer);
  HttpServer(HttpServer&&) noexcept;
  HttpServer& operator=(HttpServer&&) noexcept;
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  ~HttpServer();

  [[nodiscard]] std::uint16_t port() const;

 private:
  struct State;
  explicit HttpServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace waggle
