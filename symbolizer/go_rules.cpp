// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/go_rules.h"

#include <elf.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "symbolizer/symbol_table.h"

namespace waggle {

namespace {

constexpr std::int32_t kWordBytes = 8;
constexpr std::int32_t kFrameBytes = 2 * kWordBytes;  // return address and frame pointer

// call *%r12, which clone runs in the new thread.
constexpr std::array kThreadCall = {std::byte{0x41}, std::byte{0xff}, std::byte{0xd4}};
constexpr std::uint64_t kMaxCloneBytes = 4096;

// Where the kernel puts the interrupted registers: struct ucontext of arch/x86, from sp on once
// the handler has returned.
constexpr std::int16_t kSavedFp = 120;
constexpr std::int32_t kSavedSp = 160;
constexpr std::int16_t kSavedIp = 168;

unw_rule signal_rule() {
  unw_rule rule{};
  rule.cfa = UNW_CFA_SP_DEREF;
  rule.cfa_offset = kSavedSp;
  rule.fp = UNW_SAVED_SP;
  rule.fp_offset = kSavedFp;
  rule.ra = UNW_SAVED_SP;
  rule.ra_offset = kSavedIp;
  rule.is_signal_frame = 1;
  return rule;
}

// All functions with a frame of their own keep the caller's frame pointer next to the return
// address.
void add_frame_pointer(unw_rule& rule) {
  if (rule.cfa == UNW_CFA_SP && rule.cfa_offset >= kFrameBytes && rule.fp == UNW_SAVED_NOT) {
    rule.fp = UNW_SAVED_CFA;
    rule.fp_offset = -kFrameBytes;
  }
}

// push %rbp; mov %rsp, %rbp: from then on the frame pointer is right, whatever the stack is.
void follow_frame_pointer(std::uint64_t start, std::vector<CfiRow>& rows) {
  constexpr std::uint64_t kPushBytes = 1;
  constexpr std::uint64_t kMoveBytes = 3;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    unw_rule& rule = rows[i].rule;
    if (rule.cfa != UNW_CFA_SP || rule.cfa_offset < kFrameBytes) {
      continue;
    }
    const CfiRow pushed = rows[i];
    rule.cfa = UNW_CFA_FP_ANYWHERE;
    rule.cfa_offset = kFrameBytes;
    const std::uint64_t moved = pushed.address + kMoveBytes;
    if (pushed.address == start + kPushBytes &&
        (i + 1 == rows.size() || rows[i + 1].address > moved)) {
      rows[i].address = moved;
      rows.insert(rows.begin() + static_cast<std::ptrdiff_t>(i), pushed);
      ++i;
    }
  }
}

// Functions that go to the thread's own stack and come back, some for the vDSO alone.
constexpr std::array<std::string_view, 6> kSwitching = {"systemstack", "asmcgocall", "mcall",
                                                        "nanotime1",   "walltime",   "time.now"};

// In the code of clone.
std::optional<std::uint64_t> find_thread_call(const ElfFile& file, std::uint64_t start,
                                              std::uint64_t size) {
  const auto code = file.read_address(start, std::min(size, kMaxCloneBytes));
  if (!code) {
    return std::nullopt;
  }
  const auto found = std::ranges::search(*code, kThreadCall);
  return found.empty()
             ? std::nullopt
             : std::optional(start + static_cast<std::uint64_t>(found.begin() - code->begin()));
}

}  // namespace

GoRules GoRules::find(const ElfFile& file, const GoFunctions* functions) {
  GoRules rules;
  rules.is_go_ = file.machine() == EM_X86_64 && find_go_table(file) != nullptr;
  if (!rules.is_go_) {
    return rules;
  }
  if (functions != nullptr) {
    for (const GoFunctions::Function& function : functions->functions()) {
      rules.note(file, function.name, function.start, function.end - function.start);
    }
    return rules;
  }
  std::optional<Error> ignored;  // without symbols the rows stay as they are
  SymbolTable::read(file, &ignored).for_each([&](const SymbolTable::Symbol& symbol) {
    rules.note(file, symbol.name, symbol.start, symbol.size);
  });
  return rules;
}

void GoRules::note(const ElfFile& file, std::string_view name, std::uint64_t start,
                   std::uint64_t size) {
  constexpr std::string_view kRuntime = "runtime.";
  constexpr std::string_view kAssembly = ".abi0";
  if (name.starts_with(kRuntime)) {
    name.remove_prefix(kRuntime.size());
  } else if (!name.starts_with("time.now")) {
    return;
  }
  if (name.ends_with(kAssembly)) {
    name.remove_suffix(kAssembly.size());
  }
  if (std::ranges::find(kSwitching, name) != kSwitching.end()) {
    specials_[start] = {Kind::switches, 0};
  } else if (name == "morestack") {
    specials_[start] = {Kind::ends, 0};
  } else if (name == "sigreturn__sigaction") {
    specials_[start] = {Kind::signal_trampoline, 0};
  } else if (name == "clone") {
    if (const auto call = find_thread_call(file, start, size)) {
      specials_[start] = {Kind::starts_thread, *call};
    }
  }
}

void GoRules::put_right(std::uint64_t start, std::uint64_t end, std::vector<CfiRow>& rows) const {
  if (!is_go_) {
    return;
  }
  for (CfiRow& row : rows) {
    add_frame_pointer(row.rule);
  }
  const auto found = specials_.find(start);
  if (found == specials_.end() || rows.empty()) {
    return;
  }
  const auto [kind, thread_call] = found->second;
  switch (kind) {
    case Kind::switches:
      follow_frame_pointer(start, rows);
      break;
    case Kind::ends:
      rows.assign(1, {start, fixed_rule(UNW_CFA_END)});
      break;
    case Kind::signal_trampoline:
      rows.assign(1, {start, signal_rule()});
      break;
    case Kind::starts_thread:
      if (thread_call >= end) {
        break;
      }
      std::erase_if(rows, [call = thread_call](const CfiRow& row) { return row.address >= call; });
      rows.push_back({thread_call, fixed_rule(UNW_CFA_END)});
      break;
  }
}

}  // namespace waggle
