// SPDX-License-Identifier: Apache-2.0
// The characters of a Python string as UTF-8 (PEP 393: Latin-1, UCS-2 or UCS-4, the narrowest that
// holds them all; 2.7 has bytes).
#pragma once

#include <string>

#include "base/bytes.h"

namespace waggle {

enum class PythonCharacters {
  bytes,   // of 2.7: UTF-8 as a rule, else what printable() makes of it
  latin1,  // 1 byte each
  ucs2,    // 2 bytes each, without surrogate pairs
  ucs4,    // 4 bytes each
};

// What is no character (a lone surrogate, which Python allows; a value above U+10FFFF) becomes '?',
// as do control characters.  A part of a character at the end is left out.
std::string decode_python_text(Bytes data, PythonCharacters characters);

}  // namespace waggle
