// SPDX-License-Identifier: Apache-2.0
// Where the fields of CPython's structures are, for each version: the table, and the search in it.
// Not for proving a layout on a process: validation.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "bpf/abi/python.h"

namespace waggle {

// PY_VERSION_HEX: major, minor, patch, one byte each, then release level and serial.
constexpr unsigned python_major(std::uint32_t version) {
  return version >> 24;
}
constexpr unsigned python_minor(std::uint32_t version) {
  return version >> 16 & 0xff;
}
constexpr unsigned python_patch(std::uint32_t version) {
  return version >> 8 & 0xff;
}
constexpr std::uint32_t python_version(unsigned major, unsigned minor, unsigned patch) {
  return major << 24 | minor << 16 | patch << 8 | 0xf0;
}
std::string python_version_text(std::uint32_t version);  // "3.11.7"

// PY_OBJECT_BYTES of bpf/lib/python_step.h.
constexpr std::size_t kMaxPythonRead = 256;

constexpr std::uint32_t kNoOffset = ~std::uint32_t{0};

// What a version is read by.
struct PythonLayout {
  py_layout fields;
  // In _PyRuntime (from 3.7 on), of the variables that py_process names.
  std::uint32_t runtime_interpreters = 0;
  std::uint32_t runtime_current = kNoOffset;
};

struct PythonLayoutRow {
  std::uint32_t since;  // the first version that it holds for
  std::uint32_t until;  // the first that it does not
  const char* source;   // where its numbers can be read
  PythonLayout layout;
};

// All versions before 3.13, which say nothing of themselves.
std::span<const PythonLayoutRow> python_layout_rows();

// nullptr: none is for that version.
const PythonLayoutRow* find_python_layout(std::uint32_t version);

// From 3.13 on _PyRuntime begins with _Py_DebugOffsets, which says where most fields are in this
// build.  Its own fields differ by version; of a version that is not known yet they are taken to be
// those of the last one that is, and the layout is a guess.
constexpr std::size_t kMaxDebugOffsetsBytes = 1024;

struct DebugOffsetsLayout {
  PythonLayout layout;
  bool is_guess;
};

// Nothing: the bytes are not _Py_DebugOffsets.  Errc::malformed: they are, and make no sense.
Result<std::optional<DebugOffsetsLayout>> read_debug_offsets(Bytes bytes);

}  // namespace waggle
