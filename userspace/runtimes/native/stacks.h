// SPDX-License-Identifier: Apache-2.0
// The native stack of a thread that waits in the kernel, walked from outside by the steps that the
// kernel side takes (bpf/lib/unwind_step.h).  Without stopping it no more of its registers can be
// had than where it is and its stack pointer: a frame that is found by its frame pointer is the
// last, unless one above has saved that register.  Not for sampling.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace waggle {

// Why a stack ends.
enum class NativeEnd : std::uint8_t {
  complete,        // with the thread's entry
  no_unwind_info,  // the caller could not be found
  unreadable,      // nor read
  too_deep,        // kMaxNativeFrames were reached
};

struct NativeStack {
  std::vector<std::uint64_t> addresses;  // innermost first; of callers, inside of the call
  NativeEnd end = NativeEnd::complete;
};

constexpr std::size_t kMaxNativeFrames = 4096;

// The executable mappings of a process as they are when it is made.  One thread.
class NativeStacks {
 public:
  static Result<NativeStacks> read(pid_t pid);
  NativeStacks(NativeStacks&&) noexcept;
  NativeStacks& operator=(NativeStacks&&) noexcept;
  NativeStacks(const NativeStacks&) = delete;
  NativeStacks& operator=(const NativeStacks&) = delete;
  ~NativeStacks();

  // Files are read the first time that they are met.
  NativeStack walk(std::uint64_t ip, std::uint64_t sp);
  // A function's name, or "(libc.so.6+0x1234)", with the address in the file.
  std::string name_of(std::uint64_t address);

 private:
  class Code;
  explicit NativeStacks(std::unique_ptr<Code> code);

  std::unique_ptr<Code> code_;
};

}  // namespace waggle
