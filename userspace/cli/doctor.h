// SPDX-License-Identifier: Apache-2.0
// The verb `doctor`: what works on this host, what does not, and what to do about it.
#pragma once

#include <span>
#include <string>

#include "userspace/cli/options.h"

namespace waggle {

const Syntax& doctor_syntax();

// `arguments` after the verb.  Returns the exit status: kExitPrivilege if `record` could not run.
int doctor_main(std::span<const std::string> arguments);

}  // namespace waggle
