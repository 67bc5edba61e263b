// SPDX-License-Identifier: Apache-2.0
// One call of a gRPC service that listens at a unix socket: a message there, one back, over HTTP/2
// by libcurl (github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).  Not for streams,
// compression or TLS, nor for what is in a message: protobuf.h.
#pragma once

#include <chrono>
#include <cstddef>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "userspace/remote/http.h"

namespace waggle {

struct GrpcCall {
  std::string unix_socket;
  std::string method;  // "/package.Service/Method"
  std::string message;
  std::chrono::milliseconds timeout{1000};
  std::size_t max_bytes = std::size_t{1} << 20;  // of the answer
  std::stop_token stop = {};
};

// The answer's message.  Any thread.
// Errc::not_found: nobody listens there; unsupported: whoever does has no such method, or libcurl
// no HTTP/2; exhausted: the answer is too large; malformed: it is none of gRPC; system: all else.
Result<std::string> call_grpc(const GrpcCall& call);

// The message of an answer whose trailer says that all went well.
Result<std::string> read_grpc_answer(HttpResponse response);

}  // namespace waggle
