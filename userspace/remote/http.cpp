// SPDX-License-Identifier: Apache-2.0
#include "userspace/remote/http.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/text.h"

namespace waggle {

namespace {

// libcurl's functions.  It is opened when the first request is made: a host without containers and
// without a cloud needs nothing but waggle.
class Curl {
 public:
  // Once, before any thread has a handle; never undone, as libcurl recommends for libraries.
  // Errc::unsupported: it is not installed.
  static Result<const Curl*> open() {
    static const Result<Curl> curl = load();
    if (!curl) {
      return std::unexpected(curl.error());
    }
    return &*curl;
  }

  decltype(&curl_global_init) global_init = nullptr;
  decltype(&::curl_easy_init) easy_init = nullptr;
  decltype(&::curl_easy_setopt) set_option = nullptr;
  decltype(&::curl_easy_perform) perform = nullptr;
  decltype(&::curl_easy_getinfo) get_info = nullptr;
  decltype(&::curl_easy_strerror) error_text = nullptr;
  decltype(&::curl_easy_cleanup) easy_cleanup = nullptr;
  decltype(&::curl_slist_append) list_append = nullptr;
  decltype(&::curl_slist_free_all) list_free = nullptr;

 private:
  static Result<Curl> load();
};

template <class F>
bool find_function(void* library, const char* name, F& function) {
  function = reinterpret_cast<F>(::dlsym(library, name));
  return function != nullptr;
}

Result<Curl> Curl::load() {
  void* library = nullptr;  // stays open
  for (const char* name : {"libcurl.so.4", "libcurl-gnutls.so.4"}) {
    library = library != nullptr ? library : ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
  }
  if (library == nullptr) {
    return fail(Errc::unsupported, "libcurl.so.4 is not installed (Debian: apt install libcurl4)");
  }
  Curl curl;
  const bool has_all = find_function(library, "curl_global_init", curl.global_init) &&
                       find_function(library, "curl_easy_init", curl.easy_init) &&
                       find_function(library, "curl_easy_setopt", curl.set_option) &&
                       find_function(library, "curl_easy_perform", curl.perform) &&
                       find_function(library, "curl_easy_getinfo", curl.get_info) &&
                       find_function(library, "curl_easy_strerror", curl.error_text) &&
                       find_function(library, "curl_easy_cleanup", curl.easy_cleanup) &&
                       find_function(library, "curl_slist_append", curl.list_append) &&
                       find_function(library, "curl_slist_free_all", curl.list_free);
  if (!has_all || curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    return fail(Errc::unsupported, "libcurl cannot be used");
  }
  return curl;
}

using Easy = std::unique_ptr<CURL, decltype(&::curl_easy_cleanup)>;
using Headers = std::unique_ptr<curl_slist, decltype(&::curl_slist_free_all)>;

struct Answer {
  HttpResponse response;
  std::size_t bytes_left;
  bool is_too_large = false;

  bool has_room_for(std::size_t bytes) {
    is_too_large = bytes > bytes_left;
    bytes_left -= is_too_large ? 0 : bytes;
    return !is_too_large;
  }
};

std::size_t take_body(char* bytes, std::size_t size, std::size_t count, void* context) {
  auto& answer = *static_cast<Answer*>(context);
  if (!answer.has_room_for(size * count)) {
    return 0;
  }
  answer.response.body.append(bytes, size * count);
  return size * count;
}

// Called with a whole line.
std::size_t take_header(char* bytes, std::size_t size, std::size_t count, void* context) {
  auto& answer = *static_cast<Answer*>(context);
  if (!answer.has_room_for(size * count)) {
    return 0;
  }
  const std::string_view line(bytes, size * count);
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) {
    return line.size();  // the status, or the end
  }
  const std::string_view value = trimmed(line.substr(colon + 1));
  std::string name(line.substr(0, colon));
  std::ranges::transform(name, name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  answer.response.headers.insert_or_assign(std::move(name), std::string(value));
  return line.size();
}

int stop_when_asked(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::stop_token*>(context)->stop_requested() ? 1 : 0;
}

Headers list_of(const Curl& curl, const std::vector<std::string>& headers) {
  Headers list(nullptr, curl.list_free);
  for (const std::string& header : headers) {
    curl_slist* longer = curl.list_append(list.get(), header.c_str());
    CHECK(longer != nullptr);
    (void)list.release();
    list.reset(longer);
  }
  return list;
}

// How it is sent.
Result<> set_request(const Curl& curl, CURL* easy, const HttpRequest& request) {
  curl.set_option(easy, CURLOPT_URL, request.url.c_str());
  curl.set_option(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl.set_option(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  curl.set_option(easy, CURLOPT_PROXY, "");
  curl.set_option(easy, CURLOPT_NOSIGNAL, 1L);
  curl.set_option(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  curl.set_option(easy, CURLOPT_NOPROGRESS, 0L);
  curl.set_option(easy, CURLOPT_XFERINFOFUNCTION, stop_when_asked);
  curl.set_option(easy, CURLOPT_XFERINFODATA, &request.stop);
  if (!request.unix_socket.empty()) {
    curl.set_option(easy, CURLOPT_UNIX_SOCKET_PATH, request.unix_socket.c_str());
  }
  if (!request.body.empty()) {
    curl.set_option(easy, CURLOPT_POSTFIELDSIZE, static_cast<long>(request.body.size()));
    curl.set_option(easy, CURLOPT_POSTFIELDS, request.body.data());
  }
  if (request.version == HttpVersion::http2 &&
      curl.set_option(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE) !=
          CURLE_OK) {
    return fail(Errc::unsupported, "this libcurl was built without HTTP/2");
  }
  return {};
}

void set_answer(const Curl& curl, CURL* easy, Answer& answer) {
  curl.set_option(easy, CURLOPT_WRITEFUNCTION, take_body);
  curl.set_option(easy, CURLOPT_WRITEDATA, &answer);
  curl.set_option(easy, CURLOPT_HEADERFUNCTION, take_header);
  curl.set_option(easy, CURLOPT_HEADERDATA, &answer);
}

}  // namespace

Result<HttpResponse> http_exchange(const HttpRequest& request) {
  if (!request.unix_socket.empty() && ::access(request.unix_socket.c_str(), F_OK) != 0) {
    return fail_errno(request.unix_socket, errno);
  }
  const Curl& curl = *TRY(Curl::open());
  const Easy easy(curl.easy_init(), curl.easy_cleanup);
  CHECK(easy != nullptr);
  const Headers headers = list_of(curl, request.headers);
  Answer answer{.response = {}, .bytes_left = request.max_bytes};
  TRY(set_request(curl, easy.get(), request));
  curl.set_option(easy.get(), CURLOPT_HTTPHEADER, headers.get());
  set_answer(curl, easy.get(), answer);
  const CURLcode code = curl.perform(easy.get());
  const std::string_view subject = request.unix_socket.empty() ? request.url : request.unix_socket;
  if (answer.is_too_large) {
    return fail(Errc::exhausted,
                fmt::format("{}: the answer is larger than {} bytes", subject, request.max_bytes));
  }
  if (code != CURLE_OK) {
    const bool is_nobody = code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST;
    return fail(is_nobody ? Errc::not_found : Errc::system,
                fmt::format("{}: {}", subject, curl.error_text(code)));
  }
  curl.get_info(easy.get(), CURLINFO_RESPONSE_CODE, &answer.response.status);
  return std::move(answer.response);
}

}  // namespace waggle
