// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/linux_perf/inspector_reply.h"

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <algorithm>

#include "base/text.h"

namespace waggle {

namespace {

using nlohmann::json;

constexpr std::size_t kMaxId = 64;
constexpr std::size_t kMaxPath = 256;
constexpr std::size_t kMaxReason = 200;

std::unexpected<Error> not_an_inspector() {
  return fail(Errc::malformed, "it has not answered as an inspector does");
}

// nullptr: there is none, or `object` is none.
const json* find(const json& object, const char* name) {
  const auto found = object.find(name);
  return object.is_object() && found != object.end() ? &*found : nullptr;
}

std::string text_of(const json* value, std::size_t limit) {
  const std::string* text = value == nullptr ? nullptr : value->get_ptr<const std::string*>();
  return text == nullptr ? "" : text->substr(0, limit);
}

// "Error: libstdc++.so.6: cannot open shared object file", the first line of what was thrown.
std::string thrown(const json& details) {
  const json* exception = find(details, "exception");
  std::string text = exception == nullptr ? "" : text_of(find(*exception, "description"), 4096);
  if (text.empty()) {
    text = text_of(find(details, "text"), kMaxReason);
  }
  text = text.substr(0, std::min(text.find('\n'), kMaxReason));
  return text.empty() ? "an exception without a text" : printable(text);
}

}  // namespace

Result<std::string> parse_inspector_list(std::string_view text) {
  const json list = json::parse(text, nullptr, false);
  if (!list.is_array() || list.empty()) {
    return not_an_inspector();
  }
  std::string id = text_of(find(list.front(), "id"), kMaxId + 1);
  constexpr std::string_view kAllowed =
      "0123456789-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  if (id.empty() || id.size() > kMaxId || id.find_first_not_of(kAllowed) != std::string::npos) {
    return not_an_inspector();
  }
  return id;
}

Result<std::optional<std::string>> parse_evaluation(std::string_view message, int id) {
  const json reply = json::parse(message, nullptr, false);
  if (!reply.is_object()) {
    return not_an_inspector();
  }
  const json* number = find(reply, "id");
  if (number == nullptr || !number->is_number_integer() || *number != id) {
    return std::nullopt;  // an event
  }
  if (const json* error = find(reply, "error")) {
    return fail(Errc::system, "the inspector has refused it: " +
                                  printable(text_of(find(*error, "message"), kMaxReason)));
  }
  const json* outcome = find(reply, "result");
  if (const json* details = outcome == nullptr ? nullptr : find(*outcome, "exceptionDetails")) {
    return fail(Errc::system, thrown(*details));
  }
  const json* result = outcome == nullptr ? nullptr : find(*outcome, "result");
  const json* value = result == nullptr ? nullptr : find(*result, "value");
  if (value == nullptr || !value->is_string()) {
    return not_an_inspector();
  }
  return value->get<std::string>();
}

std::string make_evaluation(int id, std::string_view expression) {
  // includeCommandLineAPI: it may call require(), whatever kind of module the program is.
  const json call = {{"id", id},
                     {"method", "Runtime.evaluate"},
                     {"params",
                      {{"expression", expression},
                       {"includeCommandLineAPI", true},
                       {"returnByValue", true},
                       {"silent", true}}}};
  return call.dump(-1, ' ', true, json::error_handler_t::replace);
}

Result<NodeDescription> parse_node_description(std::string_view text) {
  const json object = json::parse(text, nullptr, false);
  const json* pid = find(object, "pid");
  if (pid == nullptr || !pid->is_number_unsigned()) {
    return not_an_inspector();
  }
  const std::string version = text_of(find(object, "version"), kMaxId);
  const auto major = parse_number<int>(std::string_view(version).substr(0, version.find('.')));
  if (!major) {
    return not_an_inspector();
  }
  return NodeDescription{.pid = pid->get<std::uint32_t>(),
                         .major = *major,
                         .place = text_of(find(object, "place"), kMaxPath)};
}

}  // namespace waggle
