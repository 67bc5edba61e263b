// SPDX-License-Identifier: Apache-2.0
#include "userspace/remote/grpc.h"

#include <fmt/core.h>

#include <cstdint>
#include <utility>

#include "base/text.h"

namespace waggle {

namespace {

// Before a message: whether it is compressed, and its size, the highest byte first.
constexpr std::size_t kPrefixBytes = 5;
constexpr unsigned kByteBits = 8;

std::string with_prefix(std::string_view message) {
  std::string bytes(1, '\0');
  for (std::size_t i = kPrefixBytes - 1; i-- > 0;) {
    bytes += static_cast<char>(message.size() >> (i * kByteBits));
  }
  return bytes.append(message);
}

std::size_t size_in(std::string_view prefix) {
  std::size_t size = 0;
  for (const char byte : prefix.substr(1)) {
    size = size << kByteBits | static_cast<std::uint8_t>(byte);
  }
  return size;
}

Result<> check_status(const HttpResponse& response) {
  constexpr long kHttpOk = 200;
  constexpr int kOk = 0;
  constexpr int kUnimplemented = 12;
  constexpr std::size_t kShownBytes = 200;
  if (response.status != kHttpOk) {
    return fail(Errc::system, fmt::format("status {}", response.status));
  }
  const auto status = response.headers.find("grpc-status");
  const auto code =
      status == response.headers.end() ? std::nullopt : parse_number<int>(status->second);
  if (!code) {
    return fail(Errc::malformed, "the answer has no gRPC status");
  }
  if (*code == kOk) {
    return {};
  }
  const auto reason = response.headers.find("grpc-message");
  const std::string text = reason == response.headers.end()
                               ? ""
                               : ": " + printable(reason->second.substr(0, kShownBytes));
  return fail(*code == kUnimplemented ? Errc::unsupported : Errc::system,
              fmt::format("gRPC status {}{}", *code, text));
}

}  // namespace

Result<std::string> read_grpc_answer(HttpResponse response) {
  TRY(check_status(response));
  std::string& body = response.body;
  if (body.size() < kPrefixBytes) {
    return fail(Errc::malformed, "the answer has no message");
  }
  if (body.front() != '\0') {
    return fail(Errc::malformed, "the answer is compressed, which was not asked for");
  }
  const std::size_t size = size_in(std::string_view(body).substr(0, kPrefixBytes));
  if (size != body.size() - kPrefixBytes) {
    return fail(Errc::malformed, fmt::format("a message of {} bytes, of which {} came", size,
                                             body.size() - kPrefixBytes));
  }
  body.erase(0, kPrefixBytes);
  return std::move(body);
}

Result<std::string> call_grpc(const GrpcCall& call) {
  HttpResponse response =
      TRY(http_exchange({.url = "http://localhost" + call.method,
                         .method = "POST",
                         .headers = {"content-type: application/grpc", "te: trailers",
                                     fmt::format("grpc-timeout: {}m", call.timeout.count())},
                         .body = with_prefix(call.message),
                         .version = HttpVersion::http2,
                         .unix_socket = call.unix_socket,
                         .timeout = call.timeout,
                         .max_bytes = call.max_bytes,
                         .stop = call.stop}));
  auto message = read_grpc_answer(std::move(response));
  if (!message) {
    return add_context(call.unix_socket, std::move(message).error());
  }
  return message;
}

}  // namespace waggle
