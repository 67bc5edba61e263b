/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * Marker frames: where a stack has a gap, the reason stands in its place.  One list for the kernel,
 * the outputs and docs/markers.md.  Ids are append-only.
 */
#ifndef WAGGLE_ABI_MARKERS_H
#define WAGGLE_ABI_MARKERS_H

#include "bpf/abi/abi.h"

/* X(name, text of the frame, meaning) */
#define WAGGLE_MARKERS(X)                                                                          \
	X(truncated_depth, "[truncated: depth]",                                                   \
	  "the stack is deeper than the buffer; the leaf side is kept")                            \
	X(truncated_no_unwind_info, "[truncated: no unwind info]",                                 \
	  "the caller could not be found: the code has no unwind table, or not yet, and keeps no " \
	  "frame pointer here")                                                                    \
	X(truncated_unreadable_memory, "[truncated: unreadable memory]",                           \
	  "the stack memory that holds the caller could not be read")                              \
	X(truncated_kernel_depth, "[truncated: kernel depth]",                                     \
	  "the kernel stack is deeper than kernel.perf_event_max_stack; the leaf side is kept")    \
	X(process_32bit, "[32-bit process]", "stacks of 32-bit processes are not walked")          \
	X(unknown_mapping, "[unknown mapping]",                                                    \
	  "no file or named region is known for the address above this frame")                     \
	X(unknown_process, "[unknown process]",                                                    \
	  "the process was gone before its mappings could be read")                                \
	X(lost_stack, "[lost stack]", "samples whose count is known and whose frames are not")     \
	X(lost_kernel_stack, "[lost kernel stack]", "the kernel gave no stack of its own")         \
	X(exec, "[exec]",                                                                          \
	  "the process was between two programs, in execve(2): it had no user stack")              \
	X(python_unknown_version, "[python: unknown version]",                                     \
	  "this build of Python is not known, and could not be proven on the live process: its "   \
	  "functions are missing")                                                                 \
	X(python_no_thread_state, "[python: no thread state]",                                     \
	  "the interpreter has no state for this thread, or more than one and none that is in "    \
	  "use: its functions are missing")                                                        \
	X(python_unreadable_memory, "[python: unreadable memory]",                                 \
	  "the interpreter's frames could not be read from here on")                               \
	X(python_lost_name, "[python: lost name]",                                                 \
	  "a function of Python whose name could not be read or sent at that moment")

enum marker {
#define X(name, text, meaning) MARKER_##name,
	WAGGLE_MARKERS(X)
#undef X
		MARKER_COUNT,
};

#endif
