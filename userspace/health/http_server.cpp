// SPDX-License-Identifier: Apache-2.0
#include "userspace/health/http_server.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <csignal>
#include <thread>
#include <utility>

#include "base/unique_c.h"
#include "base/unique_fd.h"

namespace waggle {

namespace {

using EventBase = std::unique_ptr<event_base, Deleter<event_base_free>>;
using Http = std::unique_ptr<evhttp, Deleter<evhttp_free>>;
using Event = std::unique_ptr<event, Deleter<event_free>>;

void answer_request(evhttp_request* request, void* context) {
  const auto& answer = *static_cast<const HttpAnswer*>(context);
  const evhttp_uri* uri = evhttp_request_get_evhttp_uri(request);
  const char* path = uri != nullptr ? evhttp_uri_get_path(uri) : nullptr;
  const HttpReply reply = answer(path != nullptr ? path : "");
  evkeyvalq* headers = evhttp_request_get_output_headers(request);
  (void)evhttp_add_header(headers, "Content-Type", reply.content_type.c_str());
  (void)evhttp_add_header(headers, "Connection", "close");
  evbuffer* body = evhttp_request_get_output_buffer(request);
  (void)evbuffer_add(body, reply.body.data(), reply.body.size());  // no memory: an empty answer
  evhttp_send_reply(request, reply.status, nullptr, nullptr);
}

void end_loop(evutil_socket_t /*fd*/, short /*what*/, void* base) {
  (void)event_base_loopbreak(static_cast<event_base*>(base));
}

std::uint16_t port_of(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return 0;
  }
  return address.ss_family == AF_INET6
             ? ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port)
             : ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

}  // namespace

// Destroyed from the bottom up.
struct HttpServer::State {
  HttpAnswer answer;
  UniqueFd end;
  EventBase base;
  Http http;
  Event end_event;
  std::uint16_t port = 0;
  std::jthread thread;

  State() = default;
  State(const State&) = delete;  // callbacks hold its address
  State& operator=(const State&) = delete;
  ~State() {
    if (thread.joinable()) {
      (void)::eventfd_write(end.get(), 1);
      thread.join();
    }
  }
};

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
HttpServer::HttpServer(HttpServer&&) noexcept = default;
HttpServer& HttpServer::operator=(HttpServer&&) noexcept = default;
HttpServer::~HttpServer() = default;

std::uint16_t HttpServer::port() const {
  return state_->port;
}

Result<HttpServer> HttpServer::start(const ListenAddress& address, HttpAnswer answer) {
  auto state = std::make_unique<State>();
  state->answer = std::move(answer);
  state->end = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  state->base.reset(event_base_new());
  state->http.reset(state->base ? evhttp_new(state->base.get()) : nullptr);
  if (!state->end.is_open() || !state->http) {
    return fail_errno("start an HTTP server", errno);
  }
  evhttp* http = state->http.get();
  evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
  evhttp_set_max_headers_size(http, kMaxHeaderBytes);
  evhttp_set_max_body_size(http, 0);
  evhttp_set_timeout(http, kTimeoutSeconds);
  evhttp_set_gencb(http, answer_request, &state->answer);
  evhttp_bound_socket* bound =
      evhttp_bind_socket_with_handle(http, address.host.c_str(), address.port);
  if (bound == nullptr) {
    return fail_errno(fmt::format("listen on {} port {}", address.host, address.port), errno);
  }
  state->port = port_of(evhttp_bound_socket_get_fd(bound));
  state->end_event.reset(
      event_new(state->base.get(), state->end.get(), EV_READ, end_loop, state->base.get()));
  if (!state->end_event || event_add(state->end_event.get(), nullptr) != 0) {
    return fail_errno("start an HTTP server", errno);
  }
  (void)std::signal(SIGPIPE, SIG_IGN);  // who asked may be gone before the answer
  state->thread = std::jthread(
      [base = state->base.get()] { (void)event_base_dispatch(base); });  // ends with end_loop()
  return HttpServer(std::move(state));
}

}  // namespace waggle
