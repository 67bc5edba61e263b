// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtimes/python/evaluation_loop.h"

#include <elf.h>
#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <set>

#include "userspace/runtimes/python/code_functions.h"
#include "userspace/runtimes/python/layout.h"
#include "userspace/runtimes/python/tail_calls.h"

namespace waggle {

namespace {

// The smallest whole one seen is 29,040 bytes (2.7); what is left where a nameless part was missed
// is 1,184 (3.14) or less.
constexpr std::uint64_t kMinLoopBytes = 8 << 10;
// 84 KiB are the most seen.
constexpr std::uint64_t kMaxPartBytes = 4 << 20;
// Different places in the middle that jumps lead to, in each direction: the fewest seen are 9.
constexpr std::size_t kMinCrossings = 3;
constexpr std::uint64_t kAlignment = 64;  // more than a linker pads between functions

// Grows from the function's own range to the parts that jumps connect it with.
class PartFinder {
 public:
  PartFinder(const ElfFile& file, const CodeFunctions& functions)
      : file_(file), functions_(functions) {}

  void add(const py_range& part) {
    if (parts_.emplace(part.start, part.end).second) {
      unread_.push_back(part);
    }
  }

  // The function with call frame information that it is of; without any, what the symbol says.
  void add(const CodeSymbol& symbol) {
    if (const auto function = functions_.find(symbol.start)) {
      add(py_range{symbol.start, function->end});
    } else if (symbol.size != 0 && symbol.size <= kMaxPartBytes) {
      add(py_range{symbol.start, symbol.start + symbol.size});
    }
  }

  void grow() {
    while (!unread_.empty()) {
      const py_range part = unread_.back();
      unread_.pop_back();
      for (const auto& [start, targets] : middles_reached_from(part)) {
        const auto other = functions_.find(start);
        if (other && targets.size() >= kMinCrossings && !parts_.contains(start) &&
            returns_to(*other, part)) {
          add(*other);
        }
      }
    }
  }

  [[nodiscard]] const std::map<std::uint64_t, std::uint64_t>& parts() const { return parts_; }

 private:
  using Middles = std::map<std::uint64_t, std::set<std::uint64_t>>;  // by the function's start

  [[nodiscard]] Middles middles_reached_from(const py_range& part) const {
    Middles middles;
    if (part.end - part.start > kMaxPartBytes) {
      return middles;
    }
    const auto code = file_.read_address(part.start, part.end - part.start);
    if (!code) {
      return middles;
    }
    for_each_jump(*code, part.start, [&](std::uint64_t target) {
      if (target >= part.start && target < part.end) {
        return;
      }
      const auto function = functions_.find(target);
      if (function && function->start != target) {
        middles[function->start].insert(target);
      }
    });
    return middles;
  }

  [[nodiscard]] bool returns_to(const py_range& other, const py_range& part) const {
    const Middles middles = middles_reached_from(other);
    const auto found = middles.find(part.start);
    return found != middles.end() && found->second.size() >= kMinCrossings;
  }

  const ElfFile& file_;
  const CodeFunctions& functions_;
  std::map<std::uint64_t, std::uint64_t> parts_;  // start -> end
  std::vector<py_range> unread_;
};

// Parts with nothing but padding between them become one.
std::vector<py_range> join(const std::map<std::uint64_t, std::uint64_t>& parts,
                           const CodeFunctions& functions) {
  std::vector<py_range> joined;
  for (const auto& [start, end] : parts) {
    if (!joined.empty()) {
      py_range& last = joined.back();
      if (start < last.end + kAlignment && !functions.has_start_in(last.end, start)) {
        last.end = std::max<std::uint64_t>(last.end, end);
        continue;
      }
    }
    joined.push_back({start, end});
  }
  return joined;
}

std::uint64_t size_of(const std::vector<py_range>& parts) {
  std::uint64_t size = 0;
  for (const py_range& part : parts) {
    size += part.end - part.start;
  }
  return size;
}

bool is_of(std::string_view name, std::string_view function) {
  return name.starts_with(function) &&
         (name.size() == function.size() || name[function.size()] == '.');
}

std::string_view loop_name(std::uint32_t version) {
  return python_major(version) == 2 ? "PyEval_EvalFrameEx" : "_PyEval_EvalFrameDefault";
}

}  // namespace

bool is_loop_entry(std::string_view name, std::uint32_t version) {
  return name == loop_name(version);
}

bool is_loop_part(std::string_view name, std::uint32_t version) {
  return is_of(name, loop_name(version));
}

bool is_tail_call_part(std::string_view name) {
  return name.starts_with("_TAIL_CALL_");
}

Result<EvaluationLoop> find_evaluation_loop(const ElfFile& file, const LoopSymbols& symbols) {
  const CodeFunctions functions(file);
  PartFinder entry(file, functions);
  entry.add(symbols.entry);
  for (const CodeSymbol& part : symbols.parts) {
    entry.add(part);
  }
  if (file.machine() == EM_X86_64) {
    entry.grow();
  }
  EvaluationLoop loop{.parts = join(entry.parts(), functions), .entry = {}};
  if (size_of(loop.parts) < kMinLoopBytes) {
    PartFinder instructions(file, functions);
    for (const CodeSymbol& part : symbols.tail_call_parts) {
      instructions.add(part);
    }
    if (symbols.tail_call_parts.empty()) {
      for (const py_range& function : find_tail_call_functions(file, functions)) {
        instructions.add(function);
      }
    }
    loop.entry = loop.parts.empty() ? py_range{} : loop.parts.back();
    loop.parts = join(instructions.parts(), functions);
  }
  if (const std::uint64_t size = size_of(loop.parts); size < kMinLoopBytes) {
    return fail(Errc::not_found,
                fmt::format("the evaluation loop: {} bytes of it, the rest is elsewhere", size));
  }
  if (loop.parts.size() > PY_MAX_LOOPS) {
    return fail(Errc::exhausted, fmt::format("the evaluation loop: {} parts", loop.parts.size()));
  }
  return loop;
}

}  // namespace waggle
