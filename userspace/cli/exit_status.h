// SPDX-License-Identifier: Apache-2.0
// What the program tells its caller.  Scripts rely on these numbers.
#pragma once

namespace waggle {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;    // a target, command or output that cannot be had
inline constexpr int kExitUsage = 2;      // the command line is wrong
inline constexpr int kExitPrivilege = 3;  // a privilege or kernel feature is missing
inline constexpr int kExitNoSamples = 4;  // nothing was recorded, no file

}  // namespace waggle
