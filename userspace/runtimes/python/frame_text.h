// SPDX-License-Identifier: Apache-2.0
// The text of a Python frame, as gProfiler's PyPerf prints it:
//   module.Class.function (file:line)_[p]
// The module is made from the file's path, since a code object does not know its own.  Pure; what a
// format of output cannot hold (';' in .col) is escaped there, not here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace waggle {

// Whoever has only the end of a path puts this in front of it.
inline constexpr std::string_view kPythonCutMark = "…";

struct PythonFrameNames {
  std::string_view file;          // co_filename
  std::string_view name;          // as far qualified as the version tells
  std::int32_t line = 0;          // the function's first, or the current one; 0: not known
  std::string_view package = {};  // "PyYAML==6.0", of the file's distribution
};

// - `…/lib/python3.11/site-packages/` and the like in front of the module are left out, and so is
//   all up to a zip file; what is left of an absolute path is the module: /srv/app.py is srv.app.
// - A package's own file is `json.__init__`, as its path says.
// - A file that is none (`<string>`, `<frozen importlib._bootstrap>`) is its module as it stands.
// - Of a path that was cut, the part of a component in front is left out of the module, unless
//   nothing else is there.
// - Without a name: `[unknown]` in its place.
std::string python_frame_text(const PythonFrameNames& names);

}  // namespace waggle
