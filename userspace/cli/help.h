// SPDX-License-Identifier: Apache-2.0
// --help of a verb, from its table of options: 80 columns, grouped, with examples and exit status.
#pragma once

#include <string>

#include "userspace/cli/options.h"

namespace waggle {

std::string help_text(const Syntax& syntax);

// `text` cut at blanks into lines of at most `width` bytes, each after the first led by `indent`
// blanks (which count); `used` bytes of the first line are taken.  No newline at the end.
std::string wrapped(std::string_view text, std::size_t width, std::size_t indent, std::size_t used);

}  // namespace waggle
