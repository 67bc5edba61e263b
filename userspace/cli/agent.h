// SPDX-License-Identifier: Apache-2.0
// The verb `agent`: sessions without end.
#pragma once

#include <span>
#include <string>

namespace waggle {

// `arguments` after the verb.  Returns the exit status.
int agent_main(std::span<const std::string> arguments);

}  // namespace waggle
