// SPDX-License-Identifier: Apache-2.0
// The verb `dump`: the stacks of all threads of a process now.
#pragma once

#include <span>
#include <string>

#include "userspace/cli/options.h"

namespace waggle {

const Syntax& dump_syntax();

// `arguments` after the verb.  Returns the exit status.
int dump_main(std::span<const std::string> arguments);

}  // namespace waggle
