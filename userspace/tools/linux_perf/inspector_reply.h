// SPDX-License-Identifier: Apache-2.0
// What a Node's inspector says (Chrome DevTools Protocol): texts of another process, that may be
// anything.  Not for the connection: inspector.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace waggle {

// Of one answer, and of one message.
constexpr std::size_t kMaxInspectorBytes = std::size_t{1} << 20;

// Of the answer to GET /json/list: the id of what can be connected to, safe as part of a path.
Result<std::string> parse_inspector_list(std::string_view text);

// Of a message, what the call `id` of Runtime.evaluate gave: a text.  Nothing: it is of something
// else.  An error: what the program says that went wrong, or the message is none.
Result<std::optional<std::string>> parse_evaluation(std::string_view message, int id);

// The call `id` that evaluates `expression`, which gives a text.
std::string make_evaluation(int id, std::string_view expression);

// What a Node says of itself; read of the text that kDescribeNode gives.
struct NodeDescription {
  std::uint32_t pid = 0;  // as it sees it
  int major = 0;          // its version
  std::string place;      // of the map logging that is on, whoever began it; "": none
};
Result<NodeDescription> parse_node_description(std::string_view text);

}  // namespace waggle
