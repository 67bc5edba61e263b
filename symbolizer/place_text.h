// SPDX-License-Identifier: Apache-2.0
// What a frame of a file is called in a profile.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "symbolizer/module.h"

namespace waggle {

// A frame that has no name: where it is, in the form that addr2line -e takes: "(libx.so+0x12)".
std::string nameless_text(std::string_view place, std::uint64_t address);

// The function at that offset of the file, with `shown` behind it in parentheses unless that is "";
// nameless_text() where there is none.
std::string place_text(const Module& module, std::string_view place, std::uint64_t offset,
                       std::string_view shown);

}  // namespace waggle
