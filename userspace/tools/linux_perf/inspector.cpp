// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/linux_perf/inspector.h"

#include <arpa/inet.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <fcntl.h>
#include <fmt/core.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <optional>
#include <thread>
#include <utility>

#include "base/unique_fd.h"
#include "userspace/tools/linux_perf/inspector_reply.h"

namespace waggle {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;
using Socket = asio::ip::tcp::socket;

constexpr auto kHost = "127.0.0.1";  // an inspector answers to addresses, whatever its own is

bool is_same_namespace(int a, int b) {
  struct stat of_a{};
  struct stat of_b{};
  return ::fstat(a, &of_a) == 0 && ::fstat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev &&
         of_a.st_ino == of_b.st_ino;
}

// A socket stays in the network namespace it was made in; the thread that enters that one ends.
Result<UniqueFd> make_socket_there(const TargetProcess& process, int family) {
  constexpr int kType = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const UniqueFd theirs(::openat(process.directory.get(), "ns/net", O_RDONLY | O_CLOEXEC));
  const UniqueFd ours(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!theirs.is_open() || !ours.is_open()) {
    return fail_errno("network namespace", errno);
  }
  if (is_same_namespace(theirs.get(), ours.get())) {
    UniqueFd socket(::socket(family, kType, 0));
    return socket.is_open() ? Result<UniqueFd>(std::move(socket)) : fail_errno("socket", errno);
  }
  Result<UniqueFd> made = fail(Errc::system, "no thread");
  std::jthread([&] {
    if (::setns(theirs.get(), CLONE_NEWNET) != 0) {
      made = fail_errno("enter the network namespace", errno);
      return;
    }
    UniqueFd socket(::socket(family, kType, 0));
    made = socket.is_open() ? Result<UniqueFd>(std::move(socket)) : fail_errno("socket", errno);
  }).join();
  return made;
}

// Of loopback: it is connected at once or never.
Result<UniqueFd> connect_there(const TargetProcess& process, const ListeningPort& port) {
  const bool is_v6 = port.address.find(':') != std::string::npos;
  UniqueFd socket = TRY(make_socket_there(process, is_v6 ? AF_INET6 : AF_INET));
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port.port);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port.port);
  void* address = is_v6 ? static_cast<void*>(&v6.sin6_addr) : &v4.sin_addr;
  if (::inet_pton(is_v6 ? AF_INET6 : AF_INET, port.address.c_str(), address) != 1) {
    return fail(Errc::malformed, port.address + " is no address");
  }
  const int failed =
      is_v6 ? ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&v6), sizeof(v6))
            : ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&v4), sizeof(v4));
  if (failed != 0 && errno != EINPROGRESS) {
    return fail_errno(fmt::format("connect to port {}", port.port), errno);
  }
  return socket;
}

std::unexpected<Error> no_answer() {
  return fail(Errc::exhausted, "it does not answer");
}

}  // namespace

struct Inspector::Connection {
  Result<> open_socket(const TargetProcess& process, const ListeningPort& port);
  // Runs the step that was begun until it is `done`; one that is late is given up.
  Result<> wait(const std::optional<error_code>& done, const InspectorPatience& patience);
  Result<std::string> read_list(const InspectorPatience& patience);
  Result<> begin_protocol(const std::string& id, const InspectorPatience& patience);
  Result<> send(const std::string& message, const InspectorPatience& patience);
  Result<std::string> receive(const InspectorPatience& patience);

  asio::io_context context{1};  // first: the sockets are of it
  beast::websocket::stream<Socket> stream{context};
  int calls = 0;
  bool is_closed = false;  // by the other side, in order
};

Result<> Inspector::Connection::open_socket(const TargetProcess& process,
                                            const ListeningPort& port) {
  UniqueFd fd = TRY(connect_there(process, port));
  Socket& socket = stream.next_layer();
  error_code failed;
  (void)socket.close(failed);  // the one before
  const bool is_v6 = port.address.find(':') != std::string::npos;
  (void)socket.assign(is_v6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4(), fd.get(), failed);
  if (failed) {
    return fail(Errc::system, "socket: " + failed.message());
  }
  (void)fd.release();  // it is the socket's
  return {};
}

Result<> Inspector::Connection::wait(const std::optional<error_code>& done,
                                     const InspectorPatience& patience) {
  context.restart();
  while (!done && !patience.is_over()) {
    context.run_for(kSlice);
  }
  if (!done) {
    error_code ignored;
    (void)stream.next_layer().close(ignored);
    context.restart();
    context.run();  // its handlers hold addresses here
    return no_answer();
  }
  if (*done) {
    return fail(Errc::exhausted, fmt::format("connection: {}", done->message()));
  }
  return {};
}

Result<std::string> Inspector::Connection::read_list(const InspectorPatience& patience) {
  namespace http = beast::http;
  constexpr int kHttp11 = 11;
  http::request<http::empty_body> request(http::verb::get, "/json/list", kHttp11);
  request.set(http::field::host, kHost);
  std::optional<error_code> done;
  const auto end = [&done](error_code error, std::size_t) { done = error; };
  http::async_write(stream.next_layer(), request, end);
  TRY(wait(done, patience));
  done.reset();
  beast::flat_buffer buffer(kMaxInspectorBytes);
  http::response_parser<http::string_body> parser;
  parser.body_limit(kMaxInspectorBytes);
  http::async_read(stream.next_layer(), buffer, parser, end);
  TRY(wait(done, patience));
  return parse_inspector_list(parser.get().body());
}

Result<> Inspector::Connection::begin_protocol(const std::string& id,
                                               const InspectorPatience& patience) {
  stream.read_message_max(kMaxInspectorBytes);
  std::optional<error_code> done;
  stream.async_handshake(kHost, "/" + id, [&done](error_code error) { done = error; });
  return wait(done, patience);
}

Result<> Inspector::Connection::send(const std::string& message,
                                     const InspectorPatience& patience) {
  std::optional<error_code> done;
  stream.async_write(asio::buffer(message),
                     [&done](error_code error, std::size_t) { done = error; });
  return wait(done, patience);
}

Result<std::string> Inspector::Connection::receive(const InspectorPatience& patience) {
  std::optional<error_code> done;
  beast::flat_buffer buffer(kMaxInspectorBytes);
  stream.async_read(buffer, [&done](error_code error, std::size_t) { done = error; });
  const Result<> waited = wait(done, patience);
  is_closed = done == beast::websocket::error::closed;
  TRY(waited);
  return beast::buffers_to_string(buffer.data());
}

Inspector::Inspector(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
Inspector::Inspector(Inspector&&) noexcept = default;
Inspector& Inspector::operator=(Inspector&&) noexcept = default;
Inspector::~Inspector() = default;

Result<Inspector> Inspector::connect(const TargetProcess& process, const ListeningPort& port,
                                     const InspectorPatience& patience) try {
  auto connection = std::make_unique<Connection>();
  TRY(connection->open_socket(process, port));
  const std::string id = TRY(connection->read_list(patience));
  TRY(connection->open_socket(process, port));  // that answer has ended the first
  TRY(connection->begin_protocol(id, patience));
  return Inspector(std::move(connection));
} catch (const std::exception& error) {  // of Boost and std::thread, where there is no descriptor
  return fail(Errc::system, error.what());
}

Result<std::string> Inspector::evaluate(std::string_view expression,
                                        const InspectorPatience& patience) {
  const int id = ++connection_->calls;
  TRY(connection_->send(make_evaluation(id, expression), patience));
  constexpr int kMaxEvents = 100;
  for (int i = 0; i < kMaxEvents; ++i) {
    const std::string message = TRY(connection_->receive(patience));
    if (auto given = TRY(parse_evaluation(message, id))) {
      return *std::move(given);
    }
  }
  return no_answer();
}

Result<> Inspector::evaluate_last(std::string_view expression, const InspectorPatience& patience) {
  const Result<std::string> answer = evaluate(expression, patience);
  return answer || connection_->is_closed ? Result<>() : std::unexpected(answer.error());
}

}  // namespace waggle
