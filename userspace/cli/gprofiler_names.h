// SPDX-License-Identifier: Apache-2.0
// The names gProfiler's command line knows.  Those that are not built yet are named as such
// instead of being called unknown.  Not for what they mean.
#pragma once

#include <string_view>

namespace waggle {

// `word`: "--upload-results" or "-u".
bool is_gprofiler_option(std::string_view word);

bool is_gprofiler_verb(std::string_view word);

}  // namespace waggle
