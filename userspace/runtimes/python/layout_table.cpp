// SPDX-License-Identifier: Apache-2.0
// CPython before 3.13.  Each number can be checked in the named files at the named tag, for 64-bit
// builds without Py_DEBUG, or asked of a build with debug information: ptype /o in GDB.
#include <array>

#include "userspace/runtimes/python/layout.h"

namespace waggle {

namespace {

// What all versions share: Include/object.h, Include/cpython/object.h, Include/tupleobject.h,
// Include/cellobject.h.
constexpr py_layout common() {
  py_layout layout{};
  layout.interpreter_next = 0;
  layout.cframe_current = PY_NONE;
  layout.thread_status = PY_NONE;
  layout.frame_mark = PY_NONE;
  layout.frame_bytecode = PY_NONE;
  layout.code_qualname = PY_NONE;
  layout.code_version = PY_NONE;
  layout.code_local_names = PY_NONE;
  layout.code_cell_names = PY_NONE;
  layout.code_instructions = PY_NONE;
  layout.code_bytecodes = PY_NONE;
  layout.object_type = 8;
  layout.type_name = 24;
  layout.type_flags = 168;
  layout.tuple_items = 24;
  layout.bytes_size = 16;
  layout.bytes_data = 32;
  layout.cell_object = 16;
  layout.string_length = 16;
  layout.string_hash = 24;
  layout.string_state = 32;
  layout.string_data = 48;
  layout.string_wide_data = 72;
  layout.string_kind_shift = 2;
  layout.strings = PY_STRINGS_UNICODE;
  return layout;
}

constexpr PythonLayout python_2_7() {
  py_layout layout = common();
  layout.form = PY_FORM_OBJECTS;
  layout.strings = PY_STRINGS_BYTES;
  layout.interpreter_threads = 8;
  layout.thread_bytes = 152;
  layout.thread_previous = PY_NONE;
  layout.thread_next = 0;
  layout.thread_interpreter = 8;
  layout.thread_id = 144;
  layout.thread_frame = 16;
  layout.frame_bytes = 128;
  layout.frame_previous = 24;
  layout.frame_code = 32;
  layout.frame_instruction = 120;
  layout.frame_locals = 376;
  layout.code_bytes = 104;
  layout.code_filename = 80;
  layout.code_name = 88;
  layout.code_first_line = 96;
  layout.code_argument_count = 16;
  layout.code_local_count = 20;
  layout.code_local_names = 56;
  layout.code_cell_names = 72;
  layout.code_line_table = 104;
  layout.bytes_data = 36;
  layout.string_state = PY_NONE;
  layout.string_data = 36;
  return {.fields = layout};
}

constexpr PythonLayout python_3_6() {
  py_layout layout = common();
  layout.form = PY_FORM_OBJECTS;
  layout.interpreter_threads = 8;
  layout.thread_bytes = 160;
  layout.thread_previous = 0;
  layout.thread_next = 8;
  layout.thread_interpreter = 16;
  layout.thread_id = 152;
  layout.thread_frame = 24;
  layout.frame_bytes = 128;
  layout.frame_previous = 24;
  layout.frame_code = 32;
  layout.frame_instruction = 120;
  layout.frame_locals = 376;
  layout.code_bytes = 112;
  layout.code_filename = 96;
  layout.code_name = 104;
  layout.code_first_line = 36;
  layout.code_argument_count = 16;
  layout.code_local_count = 24;
  layout.code_local_names = 64;
  layout.code_cell_names = 80;
  layout.code_line_table = 112;
  return {.fields = layout};
}

constexpr PythonLayout python_3_7(std::uint32_t runtime_current) {
  py_layout layout = python_3_6().fields;
  layout.thread_bytes = 184;
  layout.thread_id = 176;
  layout.frame_bytes = 112;
  layout.frame_instruction = 104;
  layout.frame_locals = 360;
  return {.fields = layout, .runtime_interpreters = 24, .runtime_current = runtime_current};
}

constexpr PythonLayout python_3_8(std::uint32_t runtime_current) {
  py_layout layout = python_3_7(0).fields;
  layout.code_bytes = 120;
  layout.code_filename = 104;
  layout.code_name = 112;
  layout.code_first_line = 40;
  layout.code_local_count = 28;
  layout.code_local_names = 72;
  layout.code_cell_names = 88;
  layout.code_line_table = 120;
  return {.fields = layout, .runtime_interpreters = 32, .runtime_current = runtime_current};
}

constexpr PythonLayout python_3_10() {
  py_layout layout = python_3_8(0).fields;
  layout.lasti_shift = 1;
  layout.frame_bytes = 104;
  layout.frame_instruction = 96;
  layout.frame_locals = 352;
  return {.fields = layout, .runtime_interpreters = 32, .runtime_current = 568};
}

constexpr PythonLayout python_3_11() {
  py_layout layout = common();
  layout.form = PY_FORM_ENTRY_FRAMES;
  layout.interpreter_threads = 16;
  layout.thread_bytes = 160;
  layout.thread_previous = 0;
  layout.thread_next = 8;
  layout.thread_interpreter = 16;
  layout.thread_id = 152;
  layout.thread_frame = 56;
  layout.cframe_current = 8;
  layout.frame_bytes = 72;
  layout.frame_previous = 48;
  layout.frame_code = 32;
  layout.frame_instruction = 56;
  layout.frame_mark = 68;
  layout.frame_mark_at_least = 1;
  layout.frame_locals = 72;
  layout.code_bytes = 136;
  layout.code_filename = 112;
  layout.code_name = 120;
  layout.code_qualname = 128;
  layout.code_first_line = 72;
  layout.code_argument_count = 56;
  layout.code_local_count = 80;
  layout.code_line_table = 136;
  layout.code_instructions = 184;
  return {.fields = layout, .runtime_interpreters = 40, .runtime_current = 576};
}

constexpr PythonLayout python_3_12() {
  py_layout layout = python_3_11().fields;
  layout.form = PY_FORM_SHIM_FRAMES;
  layout.interpreter_threads = 72;
  layout.thread_bytes = 144;
  layout.thread_id = 136;
  layout.thread_status = 24;
  layout.thread_attached = 1U << 4;  // _status.active
  layout.cframe_current = 0;
  layout.frame_previous = 8;
  layout.frame_code = 0;
  layout.frame_mark = 70;
  layout.frame_mark_at_least = 3;  // FRAME_OWNED_BY_CSTACK
  layout.code_first_line = 68;
  layout.code_version = 92;
  layout.code_argument_count = 52;
  layout.code_instructions = 192;
  layout.string_data = 40;
  layout.string_wide_data = 56;
  return {.fields = layout, .runtime_interpreters = 40};
}

#define OLD_FILES ": Include/{pystate,frameobject,code}.h"
#define NEW_FILES "Include/cpython/{pystate,code,unicodeobject}.h, Include/internal/pycore_"

constexpr std::array kRows = {
    PythonLayoutRow{python_version(2, 7, 0), python_version(2, 8, 0),
                    "v2.7.18" OLD_FILES ", Include/stringobject.h", python_2_7()},
    PythonLayoutRow{python_version(3, 6, 0), python_version(3, 7, 0),
                    "v3.6.15" OLD_FILES ", Include/unicodeobject.h", python_3_6()},
    PythonLayoutRow{python_version(3, 7, 0), python_version(3, 7, 4),
                    "v3.7.0" OLD_FILES ", Include/internal/{pystate,ceval,gil}.h",
                    python_3_7(1392)},
    PythonLayoutRow{python_version(3, 7, 4), python_version(3, 8, 0),
                    "v3.7.16" OLD_FILES ", Include/internal/{pystate,ceval,gil}.h",
                    python_3_7(1480)},
    PythonLayoutRow{python_version(3, 8, 0), python_version(3, 9, 0),
                    "v3.8.18" OLD_FILES ", Include/cpython/pystate.h, "
                    "Include/internal/pycore_pystate.h",
                    python_3_8(1368)},
    PythonLayoutRow{python_version(3, 9, 0), python_version(3, 10, 0),
                    "v3.9.18: Include/cpython/{pystate,frameobject,code}.h, "
                    "Include/internal/pycore_{runtime,interp}.h",
                    python_3_8(568)},
    PythonLayoutRow{python_version(3, 10, 0), python_version(3, 11, 0),
                    "v3.10.13: Include/cpython/{pystate,frameobject,code}.h, "
                    "Include/internal/pycore_{runtime,interp}.h",
                    python_3_10()},
    PythonLayoutRow{python_version(3, 11, 0), python_version(3, 12, 0),
                    "v3.11.7: " NEW_FILES "{frame,interp,runtime}.h", python_3_11()},
    PythonLayoutRow{python_version(3, 12, 0), python_version(3, 13, 0),
                    "v3.12.1: " NEW_FILES "{frame,interp,runtime}.h", python_3_12()},
};

}  // namespace

std::span<const PythonLayoutRow> python_layout_rows() {
  return kRows;
}

}  // namespace waggle
