// SPDX-License-Identifier: Apache-2.0
// One HTTP exchange, bounded in time and size, by libcurl.  Not for what is said in it.
#pragma once

#include <chrono>
#include <cstddef>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"

namespace waggle {

struct HttpRequest {
  std::string url;
  std::string method = "GET";
  std::vector<std::string> headers = {};    // "Name: value"
  std::string unix_socket = {};             // its path, in place of the host's address; "": none
  std::chrono::milliseconds timeout{1000};  // of all of it
  std::size_t max_bytes = std::size_t{1} << 20;
  std::stop_token stop = {};  // ends it within a second
};

struct HttpResponse {
  long status = 0;
  std::string body;
};

// Follows no redirection and asks no proxy.  Any thread.
// Errc::not_found: nobody listens there; exhausted: the answer is too large; system: all else, a
// time that is over included.
Result<HttpResponse> http_exchange(const HttpRequest& request);

}  // namespace waggle
