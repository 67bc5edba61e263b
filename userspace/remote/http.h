// SPDX-License-Identifier: Apache-2.0
// One HTTP exchange, bounded in time and size, by libcurl.  Not for what is said in it.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"

namespace waggle {

enum class HttpVersion {
  usual,  // as libcurl and the server agree
  http2,  // from the first byte on, without TLS
};

struct HttpRequest {
  std::string url;
  std::string method = "GET";
  std::vector<std::string> headers = {};  // "Name: value"
  std::string body = {};                  // "": none
  HttpVersion version = HttpVersion::usual;
  std::string unix_socket = {};             // its path, in place of the host's address; "": none
  std::chrono::milliseconds timeout{1000};  // of all of it
  std::size_t max_bytes = std::size_t{1} << 20;  // of headers and body
  std::stop_token stop = {};                     // ends it within a second
};

struct HttpResponse {
  long status = 0;
  std::string body;
  // By name in small letters, the trailer's too; of equal names the last.
  std::map<std::string, std::string, std::less<>> headers;
};

// Follows no redirection and asks no proxy.  Any thread.
// Errc::not_found: nobody listens there; exhausted: the answer is too large; unsupported: libcurl
// is missing, or has no HTTP/2; system: all else, a time that is over included.
Result<HttpResponse> http_exchange(const HttpRequest& request);

}  // namespace waggle
