// SPDX-License-Identifier: Apache-2.0
// What a frame of `perf script` is called in a profile, as gProfiler has it.  Pure.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "userspace/tools/perf/script_parser.h"

namespace waggle {

// How many frames on the leaf side are of the kernel.  What a walk by frame pointers took for a
// return address can look like one.
std::size_t count_kernel_frames(std::span<const PerfFrame> frames);

// By the object; by the address alone for the frames that count_kernel_frames() counts.  "kernel"
// in the path of somebody's library means nothing.
bool is_kernel_frame(const PerfFrame& frame);

// Whether perf gave it no name.
bool is_unnamed(const PerfFrame& frame);

enum class ObjectNames { hidden, shown };  // shown: " (object)" after names of user space

// The symbol without an offset; "(object)" without a symbol; "_[k]" after names of the kernel.
std::string frame_text(const PerfFrame& frame, ObjectNames objects = ObjectNames::hidden);

}  // namespace waggle
