// SPDX-License-Identifier: Apache-2.0
// What is evaluated in a Node: JavaScript that runs from Node 10 on, and gives a text.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace waggle {

// Who it is: parse_node_description().  Changes nothing.
extern const std::string_view kDescribeNode;

// Has V8 say in /tmp/perf-PID.map what its code is called and where it lies, until stop_logging()
// of the same place, or until `place`, a directory, has not been touched for `patience`.  The
// module, once loaded, stays: Node has no way to let go of one, and the next time needs no second.
// `place` has no quote in it; `library`: the module's path.
std::string start_logging(std::string_view place, std::string_view library,
                          std::chrono::seconds patience);
// "stopped", or "none" where no logging of that place is on.
std::string stop_logging(std::string_view place);

// Closes the inspector.  There is no answer, but the end of the connection.
extern const std::string_view kCloseInspector;

}  // namespace waggle
