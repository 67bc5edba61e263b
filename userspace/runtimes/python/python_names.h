// SPDX-License-Identifier: Apache-2.0
// What the kernel side tells of a code object the first time it sees one (struct py_names).
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "bpf/abi/process.h"

namespace waggle {

struct PythonNames {
  std::uint64_t code_id;  // of frames (bpf/abi/frame.h)
  std::uint64_t code;     // address of the code object in
  process_id process;     // this process
  std::string file;       // the end of a long one, behind kPythonCutMark
  std::string name;       // qualified from 3.11 on, with its class before where that is known
  std::int32_t first_line;
};

// A record of the ring.  Errc::malformed: it is none; could only come from a bug of ours.
Result<PythonNames> read_python_names(Bytes record);

}  // namespace waggle
