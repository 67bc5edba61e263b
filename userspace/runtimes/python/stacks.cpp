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

namespace {

// What the pure core reads through, for the length of one call of this file.
class StepMemory {
 public:
  explicit StepMemory(const waggle::ProcessMemory& memory) : memory_(memory) {
    current_of_thread() = this;
  }
  StepMemory(const StepMemory&) = delete;
  StepMemory& operator=(const StepMemory&) = delete;
  StepMemory(StepMemory&&) = delete;
  StepMemory& operator=(StepMemory&&) = delete;
  ~StepMemory() { current_of_thread() = nullptr; }

  static StepMemory& current() { return *current_of_thread(); }

  bool open(std::uint32_t window, std::uint64_t address, std::uint32_t size) {
    auto& words = windows_.at(window);
    return size <= sizeof(words) &&
           memory_.read(address, std::as_writable_bytes(std::span(words)).first(size));
  }
  [[nodiscard]] std::uint64_t word(std::uint32_t window, std::uint32_t offset) const {
    return windows_.at(window).at(offset / sizeof(std::uint64_t));
  }
  [[nodiscard]] const waggle::ProcessMemory& memory() const { return memory_; }

 private:
  using Window = std::array<std::uint64_t, PY_OBJECT_BYTES / sizeof(std::uint64_t)>;

  static StepMemory*& current_of_thread() {
    static thread_local StepMemory* current = nullptr;
    return current;
  }

  const waggle::ProcessMemory& memory_;
  std::array<Window, 2> windows_{};
};

}  // namespace

static inline int py_open(__u32 window, __u64 address, __u32 size) {
  return StepMemory::current().open(window, address, size) ? 0 : -1;
}

static inline __u64 py_word(__u32 window, __u32 offset) {
  return StepMemory::current().word(window, offset);
}

static inline int py_read(__u64 address, __u64* word) {
  const auto read = StepMemory::current().memory().read_word(address);
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

Result<std::vector<PythonCall>> read_calls(const py_layout& layout, std::uint64_t state) {
  std::vector<PythonCall> calls;
  __u64 frame = 0;
  if (py_innermost_frame(&layout, state, &frame) != 0) {
    return wrong("no frame of the thread state", state);
  }
  while (calls.size() < kMaxPythonCalls) {
    py_frame found{};
    const py_outcome outcome = py_step(&layout, frame, &found);
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
                       .position = py_position(&layout, found.code, &found),
                       .is_entry = outcome == PY_ENTRY,
                       .shim = 0});
    }
    frame = found.next;
  }
  return fail(Errc::exhausted, fmt::format("more than {} frames", kMaxPythonCalls));
}

bool is_current(const PythonTarget& target, std::uint64_t state) {
  __u64 current = 0;
  return target.process.current_address != 0 &&
         py_read(target.process.current_address, &current) == 0 && current == state;
}

Result<> read_threads(const PythonTarget& target, std::uint64_t interpreter,
                      std::vector<PythonThread>& threads) {
  const py_layout& layout = target.layout;
  __u64 state = 0;
  if (py_first_thread(&layout, interpreter, &state) != 0) {
    return wrong("no thread list of the interpreter", interpreter);
  }
  std::uint64_t before = 0;
  while (state != 0) {
    py_thread thread{};
    if (py_read_thread(&layout, state, &thread) != 0) {
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
                       .is_attached = thread.is_attached != 0 || is_current(target, state),
                       .calls = TRY(read_calls(layout, state))});
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

Result<std::string> read_text(const py_layout& layout, std::uint64_t string, std::size_t limit) {
  py_text text{};
  if (py_read_text(&layout, string, &text) != 0) {
    return wrong("no string", string);
  }
  const auto characters = characters_of(text);
  if (!characters || text.length > limit) {
    return wrong("no name", string);
  }
  std::vector<std::byte> data(text.length * text.width);
  if (!StepMemory::current().memory().read(text.data, data)) {
    return wrong("no characters of a string", string);
  }
  return decode_python_text(data, *characters);
}

std::optional<std::int32_t> read_line(const PythonTarget& target, const PythonCall& call,
                                      std::int32_t first_line) {
  if (call.position < 0) {
    return first_line;
  }
  const py_layout& layout = target.layout;
  __u64 table = 0;
  __u64 size = 0;
  if (py_read(call.code + layout.code_line_table, &table) != 0 || !py_is_address(table) ||
      py_read(table + layout.bytes_size, &size) != 0 || size > kMaxLineTableBytes) {
    return std::nullopt;
  }
  std::vector<std::byte> bytes(size);
  if (!StepMemory::current().memory().read(table + layout.bytes_data, bytes)) {
    return std::nullopt;
  }
  return find_python_line(bytes, layout.version, first_line, call.position);
}

Result<PythonFunction> read_function(const PythonTarget& target, const PythonCall& call) {
  py_code code{};
  if (py_read_code(&target.layout, call.code, &code) != 0) {
    return wrong("an unreadable code object", call.code);
  }
  if (py_is_code(&target.process, &code) == 0) {
    return wrong("no code object", call.code);
  }
  PythonFunction function;
  function.file = TRY(read_text(target.layout, code.filename, kMaxFileCharacters));
  function.name = TRY(read_text(target.layout, code.name, kMaxNameCharacters));
  function.first_line = static_cast<std::int32_t>(code.first_line);
  function.line = read_line(target, call, function.first_line);
  if (const __u64 owner = py_find_class(&target.layout, call.frame, call.code)) {
    const auto name = StepMemory::current().memory().read_string(owner, kMaxClassBytes);
    if (name && !name->empty()) {
      function.name = printable(*name) + "." + function.name;
    }
  }
  return function;
}

Result<std::vector<PythonThread>> read_stacks(const PythonTarget& target) {
  std::vector<PythonThread> threads;
  __u64 interpreter = 0;
  if (py_first_interpreter(&target.process, &interpreter) != 0) {
    return wrong("no interpreter list", target.process.interpreters_address);
  }
  for (std::size_t i = 0; interpreter != 0; ++i) {
    if (i == kMaxPythonInterpreters) {
      return fail(Errc::exhausted, fmt::format("more than {} interpreters", i));
    }
    TRY(read_threads(target, interpreter, threads));
    if (py_next_interpreter(&target.layout, &interpreter) != 0) {
      return wrong("no interpreter", interpreter);
    }
  }
  return threads;
}

// A code object's type is the one that is called "code".
Result<> learn_code_type(PythonTarget& target, std::uint64_t code) {
  py_code read{};
  target.process.code_type = 0;
  if (py_read_code(&target.layout, code, &read) != 0 || !py_is_address(read.type)) {
    return wrong("an unreadable code object", code);
  }
  __u64 name = 0;
  if (py_read(read.type + target.layout.type_name, &name) != 0 ||
      StepMemory::current().memory().read_string(name, kMaxClassBytes) != "code") {
    return wrong("no code object", code);
  }
  target.process.code_type = read.type;
  return {};
}

Result<> prove_function(PythonTarget& target, const PythonCall& call) {
  constexpr std::int32_t kMaxFirstLine = 10'000'000;
  TRY(learn_code_type(target, call.code));
  auto function = read_function(target, call);
  if (!function && target.layout.is_free_threaded != 0) {
    constexpr std::uint8_t kPackedShift = 2;
    target.layout.string_kind_shift = kPackedShift;
    function = read_function(target, call);
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
bool is_thread(std::uint64_t id) {
  __u64 self = 0;
  return py_is_address(id) != 0 && py_read(id, &self) == 0 && self == id;
}

// A variable that never points to anything but these threads.
bool leads_to_thread(std::uint64_t variable, const std::vector<PythonThread>& threads) {
  __u64 state = 0;
  return py_read(variable, &state) == 0 &&
         (state == 0 || std::ranges::find(threads, state, &PythonThread::state) != threads.end());
}

Result<PythonProof> prove_once(PythonTarget& target) {
  const auto threads = TRY(read_stacks(target));
  bool has_frames = false;
  bool has_thread = false;
  for (const PythonThread& thread : threads) {
    has_thread = has_thread || is_thread(thread.id);
    for (const PythonCall& call : thread.calls) {
      TRY(prove_function(target, call));
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
      !leads_to_thread(target.process.current_address, threads)) {
    target.process.current_address = 0;
  }
  return PythonProof::proven;
}

}  // namespace

Result<std::vector<PythonThread>> read_python_stacks(const ProcessMemory& memory,
                                                     const PythonTarget& target) {
  const StepMemory step(memory);
  return read_stacks(target);
}

Result<PythonFunction> read_python_function(const ProcessMemory& memory, const PythonTarget& target,
                                            const PythonCall& call) {
  const StepMemory step(memory);
  return read_function(target, call);
}

Result<PythonProof> prove_python(const ProcessMemory& memory, PythonTarget& target) {
  // The process runs while it is read: what is wrong once may be right at the next look.
  constexpr int kLooks = 20;
  const StepMemory step(memory);
  Result<PythonProof> proof = prove_once(target);
  for (int i = 1; i < kLooks && !proof; ++i) {
    proof = prove_once(target);
  }
  return proof;
}

}  // namespace waggle
