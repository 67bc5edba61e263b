// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtimes/python/stacks.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "bpf/lib/python_step.h"
#include "userspace/runtimes/python/layout.h"
#include "userspace/runtimes/python/lines.h"
#include "userspace/runtimes/python/text.h"

// What the pure core reads through.
struct py_memory {
  using Window = std::array<std::uint64_t, PY_OBJECT_BYTES / sizeof(std::uint64_t)>;

  const waggle::ProcessMemory& process;
  std::array<Window, 2> windows{};
};

static inline int py_open(py_memory* memory, __u32 window, __u64 address, __u32 size) {
  auto& words = memory->windows.at(window);
  const bool is_read =
      size <= sizeof(words) &&
      memory->process.read(address, std::as_writable_bytes(std::span(words)).first(size));
  return is_read ? 0 : -1;
}

static inline __u64 py_word(py_memory* memory, __u32 window, __u32 offset) {
  return memory->windows.at(window).at(offset / sizeof(std::uint64_t));
}

static inline int py_read(py_memory* memory, __u64 address, __u64* word) {
  const auto read = memory->process.read_word(address);
  *word = read.value_or(0);
  return read ? 0 : -1;
}

namespace waggle {

namespace {

static_assert(kMaxPythonRead == PY_OBJECT_BYTES);

constexpr std::size_t kMaxNameCharacters = 1024;
constexpr std::size_t kMaxFileCharacters = 4096;
constexpr std::size_t kMaxLineTableBytes = 1 << 20;
constexpr std::size_t kMaxClassBytes = 256;

std::unexpected<Error> wrong(std::string_view what, std::uint64_t address) {
  return fail(Errc::malformed, fmt::format("{} at {:#x}", what, address));
}

Result<std::vector<PythonCall>> read_calls(py_memory& memory, const py_layout& layout,
                                           std::uint64_t state) {
  std::vector<PythonCall> calls;
  __u64 frame = 0;
  __u64 cframe = 0;
  if (py_innermost_frame(&memory, &layout, state, &cframe, &frame) != 0) {
    return wrong("no frame of the thread state", state);
  }
  while (calls.size() < kMaxPythonCalls) {
    py_frame found{};
    const py_outcome outcome = py_step(&memory, &layout, frame, &found);
    if (outcome == PY_END) {
      return calls;
    }
    if (outcome == PY_UNREADABLE) {
      return wrong("an unreadable frame", frame);
    }
    if (outcome == PY_SHIM) {
      // From 3.15 on one more lies below the outermost, in the thread state.
      if (!calls.empty() && !calls.back().is_entry) {
        calls.back().is_entry = true;
        calls.back().shim = frame;
      }
    } else {
      calls.push_back({.code = found.code,
                       .frame = frame,
                       .position = py_position(&memory, &layout, found.code, &found),
                       .is_entry = outcome == PY_ENTRY,
                       .shim = 0});
    }
    frame = found.next;
  }
  return fail(Errc::exhausted, fmt::format("more than {} frames", kMaxPythonCalls));
}

bool is_current(py_memory& memory, const PythonTarget& target, std::uint64_t state) {
  __u64 current = 0;
  return target.process.current_address != 0 &&
         py_read(&memory, target.process.current_address, &current) == 0 && current == state;
}

Result<> read_threads(py_memory& memory, const PythonTarget& target, std::uint64_t interpreter,
                      std::vector<PythonThread>& threads) {
  const py_layout& layout = target.layout;
  __u64 state = 0;
  if (py_first_thread(&memory, &layout, interpreter, &state) != 0) {
    return wrong("no thread list of the interpreter", interpreter);
  }
  std::uint64_t before = 0;
  while (state != 0) {
    py_thread thread{};
    if (py_read_thread(&memory, &layout, state, &thread) != 0) {
      return wrong("an unreadable thread state", state);
    }
    const bool is_back = layout.thread_previous == PY_NONE || thread.previous == before;
    if (thread.interpreter != interpreter || !is_back) {
      return wrong("no thread state", state);
    }
    if (threads.size() >= kMaxPythonThreads) {
      return fail(Errc::exhausted, fmt::format("more than {} threads", kMaxPythonThreads));
    }
    threads.push_back({.state = state,
                       .id = thread.id,
                       .interpreter = interpreter,
                       .is_attached = thread.is_attached != 0 || is_current(memory, target, state),
                       .calls = TRY(read_calls(memory, layout, state))});
    before = state;
    state = thread.next;
  }
  return {};
}

std::optional<PythonCharacters> characters_of(const py_text& text) {
  if (text.is_bytes != 0) {
    return PythonCharacters::bytes;
  }
  switch (text.width) {
    case 1:
      return PythonCharacters::latin1;
    case 2:
      return PythonCharacters::ucs2;
    case 4:
      return PythonCharacters::ucs4;
    default:
      return std::nullopt;
  }
}

Result<std::string> read_text(py_memory& memory, const py_layout& layout, std::uint64_t string,
                              std::size_t limit) {
  py_text text{};
  if (py_read_text(&memory, &layout, string, &text) != 0) {
    return wrong("no string", string);
  }
  const auto characters = characters_of(text);
  if (!characters || text.length > limit) {
    return wrong("no name", string);
  }
  std::vector<std::byte> data(text.length * text.width);
  if (!memory.process.read(text.data, data)) {
    return wrong("no characters of a string", string);
  }
  return decode_python_text(data, *characters);
}

std::optional<std::vector<std::byte>> read_line_table(py_memory& memory, const py_layout& layout,
                                                      std::uint64_t code) {
  __u64 table = 0;
  __u64 size = 0;
  if (py_read(&memory, code + layout.code_line_table, &table) != 0 || !py_is_address(table) ||
      py_read(&memory, table + layout.bytes_size, &size) != 0 || size > kMaxLineTableBytes) {
    return std::nullopt;
  }
  std::vector<std::byte> bytes(size);
  if (!memory.process.read(table + layout.bytes_data, bytes)) {
    return std::nullopt;
  }
  return bytes;
}

std::optional<std::int32_t> read_line(py_memory& memory, const PythonTarget& target,
                                      const PythonCall& call, std::int32_t first_line) {
  if (call.position < 0) {
    return first_line;
  }
  const auto table = read_line_table(memory, target.layout, call.code);
  if (!table) {
    return std::nullopt;
  }
  return find_python_line(*table, target.layout.version, first_line, call.position);
}

Result<PythonFunction> read_function(py_memory& memory, const PythonTarget& target,
                                     const PythonCall& call) {
  py_code code{};
  if (py_read_code(&memory, &target.layout, call.code, &code) != 0) {
    return wrong("an unreadable code object", call.code);
  }
  if (py_is_code(&target.process, &code) == 0) {
    return wrong("no code object", call.code);
  }
  PythonFunction function;
  function.file = TRY(read_text(memory, target.layout, code.filename, kMaxFileCharacters));
  function.name = TRY(read_text(memory, target.layout, code.name, kMaxNameCharacters));
  function.first_line = static_cast<std::int32_t>(code.first_line);
  function.line = read_line(memory, target, call, function.first_line);
  if (const __u64 owner = py_find_class(&memory, &target.layout, call.frame, call.code)) {
    const auto name = memory.process.read_string(owner, kMaxClassBytes);
    if (name && !name->empty()) {
      function.name = printable(*name) + "." + function.name;
    }
  }
  return function;
}

Result<std::vector<PythonThread>> read_stacks(py_memory& memory, const PythonTarget& target) {
  std::vector<PythonThread> threads;
  __u64 interpreter = 0;
  if (py_first_interpreter(&memory, &target.process, &interpreter) != 0) {
    return wrong("no interpreter list", target.process.interpreters_address);
  }
  for (std::size_t i = 0; interpreter != 0; ++i) {
    if (i == kMaxPythonInterpreters) {
      return fail(Errc::exhausted, fmt::format("more than {} interpreters", i));
    }
    TRY(read_threads(memory, target, interpreter, threads));
    if (py_next_interpreter(&memory, &target.layout, &interpreter) != 0) {
      return wrong("no interpreter", interpreter);
    }
  }
  return threads;
}

// A code object's type is the one that is called "code".
Result<> learn_code_type(py_memory& memory, PythonTarget& target, std::uint64_t code) {
  py_code read{};
  target.process.code_type = 0;
  if (py_read_code(&memory, &target.layout, code, &read) != 0 || !py_is_address(read.type)) {
    return wrong("an unreadable code object", code);
  }
  __u64 name = 0;
  if (py_read(&memory, read.type + target.layout.type_name, &name) != 0 ||
      memory.process.read_string(name, kMaxClassBytes) != "code") {
    return wrong("no code object", code);
  }
  target.process.code_type = read.type;
  return {};
}

Result<> prove_function(py_memory& memory, PythonTarget& target, const PythonCall& call) {
  constexpr std::int32_t kMaxFirstLine = 10'000'000;
  TRY(learn_code_type(memory, target, call.code));
  auto function = read_function(memory, target, call);
  if (!function && target.layout.is_free_threaded != 0) {
    constexpr std::uint8_t kPackedShift = 2;
    const std::uint8_t shift = std::exchange(target.layout.string_kind_shift, kPackedShift);
    function = read_function(memory, target, call);
    target.layout.string_kind_shift = function ? kPackedShift : shift;
  }
  if (!function) {
    return std::unexpected(std::move(function).error());
  }
  if (function->file.empty() || function->name.empty() || function->first_line < 0 ||
      function->first_line > kMaxFirstLine) {
    return wrong("a code object without names", call.code);
  }
  return {};
}

// On x86_64 the first word of a thread's own block points to itself (glibc, musl: tcb).
bool is_thread(py_memory& memory, std::uint64_t id) {
  __u64 self = 0;
  return py_is_address(id) != 0 && py_read(&memory, id, &self) == 0 && self == id;
}

// A variable that never points to anything but these threads.
bool leads_to_thread(py_memory& memory, std::uint64_t variable,
                     const std::vector<PythonThread>& threads) {
  __u64 state = 0;
  return py_read(&memory, variable, &state) == 0 &&
         (state == 0 || std::ranges::find(threads, state, &PythonThread::state) != threads.end());
}

Result<PythonProof> prove_once(py_memory& memory, PythonTarget& target) {
  const auto threads = TRY(read_stacks(memory, target));
  bool has_frames = false;
  bool has_thread = false;
  for (const PythonThread& thread : threads) {
    has_thread = has_thread || is_thread(memory, thread.id);
    for (const PythonCall& call : thread.calls) {
      TRY(prove_function(memory, target, call));
      has_frames = true;
    }
  }
  if (!has_frames) {
    return PythonProof::not_started;
  }
  if (!has_thread) {
    return fail(Errc::malformed, "no thread state names a thread");
  }
  if (target.process.current_address != 0 &&
      !leads_to_thread(memory, target.process.current_address, threads)) {
    target.process.current_address = 0;
  }
  return PythonProof::proven;
}

}  // namespace

Result<std::vector<PythonThread>> read_python_stacks(const ProcessMemory& memory,
                                                     const PythonTarget& target) {
  py_memory step{.process = memory};
  return read_stacks(step, target);
}

Result<PythonFunction> read_python_function(const ProcessMemory& memory, const PythonTarget& target,
                                            const PythonCall& call) {
  py_memory step{.process = memory};
  return read_function(step, target, call);
}

std::optional<std::vector<std::byte>> read_python_line_table(const ProcessMemory& memory,
                                                             const py_layout& layout,
                                                             std::uint64_t code) {
  py_memory step{.process = memory};
  return read_line_table(step, layout, code);
}

Result<PythonProof> prove_python(const ProcessMemory& memory, PythonTarget& target) {
  // The process runs while it is read: what is wrong once may be right at the next look.
  constexpr int kLooks = 20;
  py_memory step{.process = memory};
  Result<PythonProof> proof = prove_once(step, target);
  for (int i = 1; i < kLooks && !proof; ++i) {
    proof = prove_once(step, target);
  }
  return proof;
}

}  // namespace waggle
