// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtimes/python/evaluation_loop.h"

#include <elf.h>
#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <set>

#include "base/bytes.h"
#include "symbolizer/eh_frame.h"
#include "userspace/runtimes/python/layout.h"

namespace waggle {

namespace {

// The smallest whole one seen is 29,040 bytes (2.7); what is left where a nameless part was missed
// is 1,184 (3.14) or less.
constexpr std::uint64_t kMinLoopBytes = 8 << 10;
// 84 KiB are the most seen.
constexpr std::uint64_t kMaxPartBytes = 4 << 20;
// Different places in the middle that jumps lead to, in each direction: the fewest seen are 9.
constexpr std::size_t kMinCrossings = 3;
constexpr std::uint64_t kAlignment = 16;  // what a linker pads between functions

// The file's functions by its call frame information.
class Functions {
 public:
  explicit Functions(const ElfFile& file) {
    auto info = CallFrameInfo::read(file);
    if (info) {
      info->for_each_function(
          [this](std::uint64_t start, std::uint64_t end) { ranges_.push_back({start, end}); });
    }
  }

  [[nodiscard]] std::optional<py_range> find(std::uint64_t address) const {
    auto next = std::ranges::upper_bound(ranges_, address, {}, &py_range::start);
    if (next == ranges_.begin() || std::prev(next)->end <= address) {
      return std::nullopt;
    }
    return *std::prev(next);
  }

  // Whether a function begins in [start, end).
  [[nodiscard]] bool has_start_in(std::uint64_t start, std::uint64_t end) const {
    const auto next = std::ranges::lower_bound(ranges_, start, {}, &py_range::start);
    return next != ranges_.end() && next->start < end;
  }

 private:
  std::vector<py_range> ranges_;  // sorted, without overlaps
};

// Calls f(target) for each direct jump of 32 bits, and for what looks like one: jmp is E9, a
// conditional one 0F 80 to 0F 8F (Intel SDM, volume 2).
template <class F>
void for_each_jump(Bytes code, std::uint64_t address, F&& f) {
  constexpr std::byte kJump{0xe9};
  constexpr std::byte kTwoBytes{0x0f};
  constexpr std::byte kConditional{0x80};
  constexpr std::byte kConditionalMask{0xf0};
  constexpr std::size_t kJumpBytes = 5;
  for (std::size_t at = 0; at + kJumpBytes <= code.size(); ++at) {
    const bool is_conditional =
        at > 0 && code[at - 1] == kTwoBytes && (code[at] & kConditionalMask) == kConditional;
    if (code[at] == kJump || is_conditional) {
      ByteCursor cursor(code.subspan(at + 1));
      const auto distance = static_cast<std::int64_t>(cursor.read<std::int32_t>());
      f(address + at + kJumpBytes + static_cast<std::uint64_t>(distance));
    }
  }
}

// Grows from the function's own range to the parts that jumps connect it with.
class PartFinder {
 public:
  PartFinder(const ElfFile& file, const Functions& functions)
      : file_(file), functions_(functions) {}

  void add(const py_range& part) {
    if (parts_.emplace(part.start, part.end).second) {
      unread_.push_back(part);
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
  const Functions& functions_;
  std::map<std::uint64_t, std::uint64_t> parts_;  // start -> end
  std::vector<py_range> unread_;
};

// Parts with nothing but padding between them become one.
std::vector<py_range> join(const std::map<std::uint64_t, std::uint64_t>& parts,
                           const Functions& functions) {
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

// The function with call frame information that the symbol is of; without any, what the symbol
// says.
std::optional<py_range> range_of(const CodeSymbol& symbol, const Functions& functions) {
  if (const auto function = functions.find(symbol.start)) {
    return py_range{symbol.start, function->end};
  }
  if (symbol.size == 0 || symbol.size > kMaxPartBytes) {
    return std::nullopt;
  }
  return py_range{symbol.start, symbol.start + symbol.size};
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
  return is_of(name, loop_name(version)) || name.starts_with("_TAIL_CALL_");
}

Result<std::vector<py_range>> find_evaluation_loop(const ElfFile& file, CodeSymbol entry,
                                                   const std::vector<CodeSymbol>& parts) {
  const Functions functions(file);
  PartFinder finder(file, functions);
  if (const auto range = range_of(entry, functions)) {
    finder.add(*range);
  }
  for (const CodeSymbol& part : parts) {
    if (const auto range = range_of(part, functions)) {
      finder.add(*range);
    }
  }
  if (file.machine() == EM_X86_64) {
    finder.grow();
  }
  std::vector<py_range> loop = join(finder.parts(), functions);
  std::uint64_t size = 0;
  for (const py_range& range : loop) {
    size += range.end - range.start;
  }
  if (size < kMinLoopBytes) {
    return fail(Errc::not_found,
                fmt::format("the evaluation loop: {} bytes of it, the rest is elsewhere", size));
  }
  if (loop.size() > PY_MAX_LOOPS) {
    return fail(Errc::exhausted, fmt::format("the evaluation loop: {} parts", loop.size()));
  }
  return loop;
}

}  // namespace waggle
