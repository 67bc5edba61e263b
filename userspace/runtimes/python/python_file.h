// SPDX-License-Identifier: Apache-2.0
// What an executable file says of the Python in it: found by what it defines, not by its name, so a
// program that embeds Python, a renamed one and a shared library are all alike.
// Not for processes: python_process.h.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "symbolizer/elf_file.h"
#include "userspace/runtimes/python/evaluation_loop.h"
#include "userspace/runtimes/python/layout.h"

namespace waggle {

// Addresses are those of the file.
struct PythonFile {
  PythonLayout layout;  // with its version
  // No row of the table and no word of _Py_DebugOffsets was made for this version: it counts once
  // it is proven on a process.
  bool is_guess = false;
  std::uint64_t interpreters = 0;  // of the variable that leads to the first interpreter state
  std::uint64_t current = 0;    // of the variable with the thread state that has the GIL; 0: none
  std::uint64_t code_type = 0;  // PyCode_Type; 0: not known
  EvaluationLoop loop;
};

// Nothing: the file defines no Python runtime.  Errc::unsupported, ::not_found, ::malformed: it
// does, and what keeps its frames from being walked.
Result<std::optional<PythonFile>> inspect_python_file(const ElfFile& file);

// Whether the file defines a runtime, also one that cannot be walked.
bool defines_python(const ElfFile& file);

// The version that a binary before 3.11 was compiled with, as texts in its data tell: those that
// end with one, of versions in the table.  Where they name several, the one counts that "pythonX.Y"
// in the same data confirms, for a file can have other libraries in it, SQLite 3.8 say.
class VersionTexts {
 public:
  void add(Bytes data);
  [[nodiscard]] std::optional<std::uint32_t> best() const;

 private:
  void add_text(std::string_view text);
  std::map<std::uint32_t, bool> found_;  // version -> is confirmed
};

}  // namespace waggle
