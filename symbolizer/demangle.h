// SPDX-License-Identifier: Apache-2.0
// Mangled names as people read them: C++ (Itanium ABI) and Rust (legacy and v0), printed as
// c++filt prints them, Rust without hashes.
//
// Names come from other users' files.  A hostile one may stand for text of exponential size, or
// take exponential time to print nothing; both end after a bounded amount of work.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace waggle {

// A longer demangled name is not used: cut names of different functions could be the same.
constexpr std::size_t kMaxDemangledBytes = 4096;

// `name` itself where it is not mangled, does not demangle, or is beyond a limit.  Clones read as
// "f(int) [clone .cold]".
std::string demangle(std::string_view name);

}  // namespace waggle
