// SPDX-License-Identifier: Apache-2.0
// Any bytes as a string of each width, as a file and a name of a frame, as a record of names, as a
// binary's data with versions in it, and as _Py_DebugOffsets.
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/check.h"
#include "base/text.h"
#include "userspace/runtimes/python/frame_text.h"
#include "userspace/runtimes/python/layout.h"
#include "userspace/runtimes/python/python_file.h"
#include "userspace/runtimes/python/python_names.h"
#include "userspace/runtimes/python/text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using waggle::PythonCharacters;
  const auto bytes = std::as_bytes(std::span(data, size));
  for (const auto characters : {PythonCharacters::bytes, PythonCharacters::latin1,
                                PythonCharacters::ucs2, PythonCharacters::ucs4}) {
    const std::string text = waggle::decode_python_text(bytes, characters);
    CHECK(waggle::printable(text) == text);
    const std::string frame = waggle::python_frame_text({.file = text, .name = text, .line = 1});
    CHECK(frame.ends_with("_[p]") && frame.find(text) != std::string::npos);
  }
  if (const auto names = waggle::read_python_names(bytes)) {
    CHECK(waggle::printable(names->file) == names->file);
    CHECK(waggle::printable(names->name) == names->name);
  }
  waggle::VersionTexts texts;
  texts.add(bytes);
  const auto version = texts.best();
  CHECK(!version || waggle::find_python_layout(*version) != nullptr);
  const auto layout = waggle::read_debug_offsets(bytes);
  if (layout && *layout) {
    const py_layout& fields = (*layout)->layout.fields;
    CHECK(fields.frame_bytes <= waggle::kMaxPythonRead && fields.frame_mark < fields.frame_bytes);
    CHECK(fields.code_bytes <= waggle::kMaxPythonRead && fields.code_qualname < fields.code_bytes &&
          fields.code_version < fields.code_bytes);
    CHECK(fields.thread_bytes <= waggle::kMaxPythonRead && fields.thread_id < fields.thread_bytes);
  }
  return 0;
}
