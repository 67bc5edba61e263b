// SPDX-License-Identifier: Apache-2.0
#include "userspace/remote/http.h"

#include <curl/curl.h>
#include <fmt/core.h>

#include <memory>
#include <string_view>

#include "base/check.h"
#include "base/unique_c.h"

namespace waggle {

namespace {

using Easy = std::unique_ptr<CURL, Deleter<curl_easy_cleanup>>;
using Headers = std::unique_ptr<curl_slist, Deleter<curl_slist_free_all>>;

// Once, before any thread has a handle; never undone, as libcurl recommends for libraries.
void start_curl() {
  static const bool is_started = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  CHECK(is_started);
}

struct Answer {
  std::string body;
  std::size_t max_bytes;
  bool is_too_large = false;
};

std::size_t take_bytes(char* bytes, std::size_t size, std::size_t count, void* context) {
  auto& answer = *static_cast<Answer*>(context);
  const std::size_t more = size * count;
  if (more > answer.max_bytes - answer.body.size()) {
    answer.is_too_large = true;
    return 0;
  }
  answer.body.append(bytes, more);
  return more;
}

int stop_when_asked(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::stop_token*>(context)->stop_requested() ? 1 : 0;
}

Headers list_of(const std::vector<std::string>& headers) {
  Headers list;
  for (const std::string& header : headers) {
    curl_slist* longer = curl_slist_append(list.get(), header.c_str());
    CHECK(longer != nullptr);
    (void)list.release();
    list.reset(longer);
  }
  return list;
}

void set_options(CURL* easy, const HttpRequest& request, const Headers& headers, Answer& answer) {
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_bytes);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &answer);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, stop_when_asked);
  curl_easy_setopt(easy, CURLOPT_XFERINFODATA, &request.stop);
  if (!request.unix_socket.empty()) {
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request.unix_socket.c_str());
  }
}

}  // namespace

Result<HttpResponse> http_exchange(const HttpRequest& request) {
  start_curl();
  const Easy easy(curl_easy_init());
  CHECK(easy != nullptr);
  const Headers headers = list_of(request.headers);
  Answer answer{.body = {}, .max_bytes = request.max_bytes};
  set_options(easy.get(), request, headers, answer);
  const CURLcode code = curl_easy_perform(easy.get());
  const std::string_view subject = request.unix_socket.empty() ? request.url : request.unix_socket;
  if (answer.is_too_large) {
    return fail(Errc::exhausted,
                fmt::format("{}: the answer is larger than {} bytes", subject, request.max_bytes));
  }
  if (code != CURLE_OK) {
    const bool is_nobody = code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST;
    return fail(is_nobody ? Errc::not_found : Errc::system,
                fmt::format("{}: {}", subject, curl_easy_strerror(code)));
  }
  HttpResponse response{.status = 0, .body = std::move(answer.body)};
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &response.status);
  return response;
}

}  // namespace waggle
