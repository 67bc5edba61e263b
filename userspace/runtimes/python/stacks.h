// SPDX-License-Identifier: Apache-2.0
// The Python stacks of a live process, read from outside by the same steps that the kernel side
// takes (bpf/lib/python_step.h).  The process runs on: a thread that was busy may give frames that
// never were together.  Not for sampling.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "bpf/abi/python.h"
#include "userspace/process/process_memory.h"

namespace waggle {

// A runtime in a process, as the kernel side is told.
struct PythonTarget {
  py_process process;
  py_layout layout;
};

struct PythonCall {
  std::uint64_t code;     // address of the code object
  std::uint64_t frame;    // address
  std::int64_t position;  // in bytes; -1: before the first instruction
  bool is_entry;          // the frames above run in another evaluation of the C stack
  std::uint64_t shim;     // of an entry, from 3.12 on: its shim's address; else 0
};

struct PythonThread {
  std::uint64_t state;            // address of its PyThreadState
  std::uint64_t id;               // pthread_self()
  std::uint64_t interpreter;      // address of its state
  bool is_attached;               // in use by its thread, where the layout or the runtime tells
  std::vector<PythonCall> calls;  // innermost first
};

// What a frame shows.
struct PythonFunction {
  std::string file;
  std::string name;  // qualified from 3.11 on, with its class before where that is known
  std::int32_t first_line;
  std::optional<std::int32_t> line;  // of the instruction that runs
};

constexpr std::size_t kMaxPythonInterpreters = 256;
constexpr std::size_t kMaxPythonThreads = 16'384;
constexpr std::size_t kMaxPythonCalls = 65'536;  // of one thread; sys.setrecursionlimit has no end

// All threads of all interpreters.  Empty before the interpreter has started.
// Errc::malformed: what is there is no interpreter; the text says where.
Result<std::vector<PythonThread>> read_python_stacks(const ProcessMemory& memory,
                                                     const PythonTarget& target);

Result<PythonFunction> read_python_function(const ProcessMemory& memory, const PythonTarget& target,
                                            const PythonCall& call);

// Where each of its instructions is (find_python_line() of lines.h).  Of a function of one line it
// is empty; nothing: it cannot be read.
std::optional<std::vector<std::byte>> read_python_line_table(const ProcessMemory& memory,
                                                             const py_layout& layout,
                                                             std::uint64_t code);

// Whether `target` is right for the process.
enum class PythonProof : std::uint8_t {
  proven,       // threads, frames and names all hold together
  not_started,  // no Python code runs yet, or now
};

// Learns what only the process can tell: the layout's string_kind_shift in free-threaded builds,
// code_type where the dynamic linker has copied it, and that current_address is not what it was
// taken for.  Errc::malformed: the first thing that is wrong.
Result<PythonProof> prove_python(const ProcessMemory& memory, PythonTarget& target);

}  // namespace waggle
