// SPDX-License-Identifier: Apache-2.0
// The verb `top`.
#pragma once

#include <span>
#include <string>

namespace waggle {

int top_main(std::span<const std::string> arguments);

}  // namespace waggle
