// SPDX-License-Identifier: Apache-2.0
// The verb `record` as the table of verbs calls it: options first, then the work.
#pragma once

#include <span>
#include <string>

namespace waggle {

// `arguments` after the verb.  Returns the exit status.
int record_main(std::span<const std::string> arguments);

}  // namespace waggle
