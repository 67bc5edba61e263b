// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtimes/python/layout.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <string_view>

namespace waggle {

namespace {

// Where each group of words in _Py_DebugOffsets begins, and fields that are not in all versions:
// indexes of 64-bit words.  kNoWord: there is no such field.
constexpr std::size_t kNoWord = 0;

struct WordOrder {
  std::uint32_t since;
  const char* source;
  std::size_t thread;
  std::size_t thread_id;
  std::size_t thread_status;
  std::size_t frame;
  std::size_t frame_bytecode;
  std::size_t code;
  std::size_t code_bytecodes;
  std::size_t object;
  std::size_t type;
  std::size_t tuple;
  std::size_t bytes;
  std::size_t unicode;
};

constexpr std::array kOrders = {
    WordOrder{.since = python_version(3, 13, 0),
              .source = "v3.13.0: Include/internal/pycore_runtime.h",
              .thread = 19,
              .thread_id = 24,
              .thread_status = 27,
              .frame = 28,
              .frame_bytecode = kNoWord,
              .code = 34,
              .code_bytecodes = kNoWord,
              .object = 44,
              .type = 46,
              .tuple = 50,
              .bytes = 64,
              .unicode = 67},
    WordOrder{.since = python_version(3, 14, 0),
              .source = "v3.14.0: Include/internal/pycore_debug_offsets.h",
              .thread = 22,
              .thread_id = 27,
              .thread_status = 30,
              .frame = 31,
              .frame_bytecode = 38,
              .code = 39,
              .code_bytecodes = 49,
              .object = 50,
              .type = 52,
              .tuple = 56,
              .bytes = 74,
              .unicode = 77},
    WordOrder{.since = python_version(3, 15, 0),
              .source = "v3.15.0: Include/internal/pycore_debug_offsets.h",
              .thread = 22,
              .thread_id = 30,
              .thread_status = 33,
              .frame = 39,
              .frame_bytecode = 46,
              .code = 47,
              .code_bytecodes = 57,
              .object = 58,
              .type = 60,
              .tuple = 68,
              .bytes = 86,
              .unicode = 89},
};
constexpr std::uint32_t kFirstUnknown = python_version(3, 16, 0) & ~0xffU;
constexpr std::uint32_t kFinal = 0xf0;  // the release level in PY_VERSION_HEX

// The groups that are at one place in all versions.
constexpr std::size_t kRuntime = 3;
constexpr std::size_t kInterpreter = 6;

// What the words do not say, from 3.13 on (Include/cpython/{pystate,code,unicodeobject}.h,
// Include/internal/pycore_interpframe_structs.h at v3.13.0, v3.14.0 and v3.15.0).
constexpr std::uint32_t kActive = 1U << 4;       // PyThreadState._status.active
constexpr std::uint8_t kOwnedByInterpreter = 3;  // enum _frameowner; what is above runs no code too
constexpr std::uint64_t kUtf8Bytes = 16;         // PyCompactUnicodeObject after its PyASCIIObject
constexpr std::uint64_t kVersionBytes = 4;       // co_version, just before co_localsplusnames
constexpr std::uint8_t kKindShift = 2;
// PyASCIIObject.state.interned is a byte in free-threaded builds (from 3.14 on; in 3.13 it may be
// as in the others: a live string tells).
constexpr std::uint8_t kFreeThreadedKindShift = 8;

constexpr std::uint64_t kMaxSmall = PY_NONE - 1;  // of 16 bits
constexpr std::uint64_t kMaxLarge = 64 << 20;     // a runtime has some hundred kilobytes

// Takes offsets out of the words, and remembers whether each lies in its structure.
class Words {
 public:
  explicit Words(Bytes bytes) : bytes_(bytes) {}

  [[nodiscard]] std::uint64_t at(std::size_t index) const {
    const auto word = checked_slice(bytes_, index * sizeof(std::uint64_t), sizeof(std::uint64_t));
    return word ? ByteCursor(*word).read<std::uint64_t>() : ~std::uint64_t{0};
  }
  // The first word of the group is the structure's size.
  std::uint32_t offset(std::size_t group, std::size_t index, std::uint64_t limit = kMaxLarge) {
    const std::uint64_t value = at(index);
    is_plausible_ = is_plausible_ && value <= limit && value < at(group);
    return is_plausible_ ? static_cast<std::uint32_t>(value) : 0;
  }
  std::uint16_t small(std::size_t group, std::size_t index) {
    return static_cast<std::uint16_t>(offset(group, index, kMaxSmall));
  }
  [[nodiscard]] bool is_plausible() const { return is_plausible_; }

 private:
  Bytes bytes_;
  bool is_plausible_ = true;
};

constexpr std::uint64_t kWord = sizeof(std::uint64_t);

std::uint16_t bytes_for(std::initializer_list<std::uint16_t> offsets) {
  return static_cast<std::uint16_t>((std::max(offsets) / kWord + 1) * kWord);
}

void read_runtime(Words& words, PythonLayout& layout) {
  layout.runtime_interpreters = words.offset(kRuntime, kRuntime + 2);
  layout.fields.interpreter_next = words.offset(kInterpreter, kInterpreter + 2);
  layout.fields.interpreter_threads = words.offset(kInterpreter, kInterpreter + 3);
}

void read_thread(Words& words, const WordOrder& order, py_layout& layout) {
  layout.thread_previous = words.small(order.thread, order.thread + 1);
  layout.thread_next = words.small(order.thread, order.thread + 2);
  layout.thread_interpreter = words.small(order.thread, order.thread + 3);
  layout.thread_frame = words.small(order.thread, order.thread + 4);
  layout.thread_id = words.small(order.thread, order.thread_id);
  layout.thread_status = words.small(order.thread, order.thread_status);
  layout.thread_attached = kActive;
  layout.cframe_current = PY_NONE;
  layout.thread_bytes =
      bytes_for({layout.thread_previous, layout.thread_next, layout.thread_interpreter,
                 layout.thread_id, layout.thread_status});
}

void read_frame(Words& words, const WordOrder& order, py_layout& layout) {
  layout.form = PY_FORM_SHIM_FRAMES;
  layout.frame_previous = words.small(order.frame, order.frame + 1);
  layout.frame_code = words.small(order.frame, order.frame + 2);
  layout.frame_instruction = words.small(order.frame, order.frame + 3);
  layout.frame_locals = words.small(order.frame, order.frame + 4);
  layout.frame_mark = words.small(order.frame, order.frame + 5);
  layout.frame_mark_at_least = kOwnedByInterpreter;
  layout.frame_bytecode = PY_NONE;
  layout.frame_bytes = bytes_for(
      {layout.frame_previous, layout.frame_code, layout.frame_instruction, layout.frame_mark});
  if (layout.is_free_threaded != 0 && order.frame_bytecode != kNoWord) {
    layout.frame_bytecode = words.small(order.frame, order.frame_bytecode);
    layout.frame_bytes = std::max(layout.frame_bytes, bytes_for({layout.frame_bytecode}));
  }
}

void read_code(Words& words, const WordOrder& order, py_layout& layout) {
  layout.code_filename = words.small(order.code, order.code + 1);
  layout.code_name = words.small(order.code, order.code + 2);
  layout.code_qualname = words.small(order.code, order.code + 3);
  layout.code_line_table = words.small(order.code, order.code + 4);
  layout.code_first_line = words.small(order.code, order.code + 5);
  layout.code_argument_count = words.small(order.code, order.code + 6);
  layout.code_local_count = PY_NONE;
  layout.code_local_names = PY_NONE;
  layout.code_cell_names = PY_NONE;
  layout.code_version =
      static_cast<std::uint16_t>(words.small(order.code, order.code + 7) - kVersionBytes);
  layout.code_instructions = words.small(order.code, order.code + 9);
  layout.code_bytecodes = PY_NONE;
  if (layout.is_free_threaded != 0 && order.code_bytecodes != kNoWord) {
    layout.code_bytecodes = words.small(order.code, order.code_bytecodes);
  }
  layout.code_bytes = bytes_for(
      {layout.code_filename, layout.code_qualname, layout.code_first_line, layout.code_version});
}

void read_objects(Words& words, const WordOrder& order, py_layout& layout) {
  layout.object_type = words.small(order.object, order.object + 1);
  layout.type_name = words.small(order.type, order.type + 1);
  layout.type_flags = words.small(order.type, order.type + 3);
  layout.tuple_items = words.small(order.tuple, order.tuple + 1);
  layout.bytes_size = words.small(order.bytes, order.bytes + 1);
  layout.bytes_data = words.small(order.bytes, order.bytes + 2);
  layout.cell_object = PY_NONE;
  layout.strings = PY_STRINGS_UNICODE;
  layout.string_state = words.small(order.unicode, order.unicode + 1);
  layout.string_length = words.small(order.unicode, order.unicode + 2);
  layout.string_hash = static_cast<std::uint16_t>(layout.string_length + kWord);
  layout.string_data = words.small(order.unicode, order.unicode + 3);
  layout.string_wide_data = static_cast<std::uint16_t>(layout.string_data + kUtf8Bytes);
  layout.string_kind_shift = layout.is_free_threaded != 0 ? kFreeThreadedKindShift : kKindShift;
}

bool fits_a_read(const py_layout& layout) {
  return std::max({layout.thread_bytes, layout.frame_bytes, layout.code_bytes}) <= kMaxPythonRead &&
         layout.code_version < kMaxPythonRead && layout.string_state % kWord == 0;
}

}  // namespace

std::string python_version_text(std::uint32_t version) {
  return fmt::format("{}.{}.{}", python_major(version), python_minor(version),
                     python_patch(version));
}

const PythonLayoutRow* find_python_layout(std::uint32_t version) {
  const auto rows = python_layout_rows();
  // A release candidate of 3.11.0 counts as 3.11.0: without its level and serial.
  const std::uint32_t release = version | 0xff;
  const auto found = std::ranges::find_if(rows, [&](const PythonLayoutRow& row) {
    return row.since <= release && release < row.until;
  });
  return found == rows.end() ? nullptr : &*found;
}

Result<std::optional<DebugOffsetsLayout>> read_debug_offsets(Bytes bytes) {
  constexpr std::string_view kCookie = "xdebugpy";
  if (bytes.size() < kCookie.size() ||
      std::memcmp(bytes.data(), kCookie.data(), kCookie.size()) != 0) {
    return std::nullopt;
  }
  Words words(bytes);
  const std::uint64_t version = words.at(1);
  const std::uint64_t is_free_threaded = words.at(2);
  if (version < (kOrders.front().since & ~std::uint64_t{0xffff}) ||
      version > std::numeric_limits<std::uint32_t>::max() || is_free_threaded > 1) {
    return fail(Errc::malformed, fmt::format("_Py_DebugOffsets of version {:#x}", version));
  }
  const auto known = std::ranges::find_if(
      kOrders.rbegin(), kOrders.rend(),
      [&](const WordOrder& order) { return (order.since & ~std::uint64_t{0xff}) <= version; });
  const WordOrder& order = known == kOrders.rend() ? kOrders.front() : *known;
  DebugOffsetsLayout found{};
  found.is_guess = version >= kFirstUnknown || (version & kFinal) != kFinal;
  py_layout& layout = found.layout.fields;
  layout.version = static_cast<std::uint32_t>(version);
  layout.is_free_threaded = static_cast<std::uint8_t>(is_free_threaded);
  read_runtime(words, found.layout);
  read_thread(words, order, layout);
  read_frame(words, order, layout);
  read_code(words, order, layout);
  read_objects(words, order, layout);
  if (!words.is_plausible() || !fits_a_read(layout)) {
    return fail(Errc::malformed, fmt::format("_Py_DebugOffsets of Python {} lead nowhere",
                                             python_version_text(layout.version)));
  }
  return found;
}

}  // namespace waggle
