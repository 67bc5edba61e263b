// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtimes/python/python_names.h"

#include <string_view>

#include "base/text.h"
#include "bpf/abi/python.h"
#include "userspace/runtimes/python/frame_text.h"
#include "userspace/runtimes/python/text.h"

namespace waggle {

namespace {

PythonCharacters characters_of(const py_text_part& part) {
  if (part.is_bytes != 0) {
    return PythonCharacters::bytes;
  }
  if (part.width == 1) {
    return PythonCharacters::latin1;
  }
  return part.width == 2 ? PythonCharacters::ucs2 : PythonCharacters::ucs4;
}

std::string text_of(ByteCursor& cursor, const py_text_part& part) {
  return decode_python_text(cursor.take(part.size), characters_of(part));
}

}  // namespace

Result<PythonNames> read_python_names(Bytes record) {
  ByteCursor cursor(record);
  const auto code_id = cursor.read<std::uint64_t>();
  const auto code = cursor.read<std::uint64_t>();
  const auto process = cursor.read<process_id>();
  const auto first_line = cursor.read<std::int32_t>();
  const auto class_size = cursor.read<std::uint32_t>();
  const auto file = cursor.read<py_text_part>();
  const auto name = cursor.read<py_text_part>();
  PythonNames names{.code_id = code_id,
                    .code = code,
                    .process = process,
                    .file = text_of(cursor, file),
                    .name = text_of(cursor, name),
                    .first_line = first_line};
  if (file.is_cut != 0) {
    names.file.insert(0, kPythonCutMark);
  }
  if (name.is_cut != 0) {
    names.name += kPythonCutMark;
  }
  if (class_size != 0) {
    const Bytes owner = cursor.take(class_size);
    const std::string_view text(reinterpret_cast<const char*>(owner.data()), owner.size());
    names.name = printable(text) + "." + names.name;
  }
  if (!cursor.ok()) {
    return fail(Errc::malformed, "a record of py_names is shorter than it says");
  }
  return names;
}

}  // namespace waggle
