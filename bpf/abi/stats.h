/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * Every counter of the kernel side, in one list: the map cpu_stats, the profile header, the summary
 * and docs/counters.md are printed from it.  Append-only.
 *
 * The kinds:
 *   total      what the program was given
 *   skipped    runs that a filter turned away: no sample was wanted
 *   lost       samples that are in no line of the profile
 *   truncated  samples that are in the profile with a part of their stack missing
 *   note       things worth knowing that cost no sample
 * Sum of the profile's counts + all lost = samples.
 */
#ifndef WAGGLE_ABI_STATS_H
#define WAGGLE_ABI_STATS_H

#include "bpf/abi/abi.h"

/* X(kind, name, text) */
#define WAGGLE_STATS(X)                                                                          \
	X(total, ticks, "runs of the sampling program")                                          \
	X(total, ticks_period, "sum of the periods of those runs, in the event's unit")          \
	X(total, samples, "samples taken")                                                       \
	X(total, truncated, "samples with a part of their stack missing")                        \
	X(skipped, skipped_idle, "the CPU was idle")                                             \
	X(skipped, skipped_self, "waggle itself was running")                                    \
	X(skipped, skipped_not_selected, "a process that is not selected was running")           \
	X(lost, ring_full, "the ring buffer had no room for a new stack")                        \
	X(lost, ring_busy, "the ring buffer was locked by the code that was interrupted")        \
	X(lost, counts_full, "the table of counts was full")                                     \
	X(lost, counts_busy, "the table of counts was locked by the code that was interrupted")  \
	X(lost, internal, "a map that always exists was not found")                              \
	X(truncated, truncated_depth, "stacks deeper than the buffer")                           \
	X(truncated, truncated_no_unwind_info,                                                   \
	  "stacks that end in code without a way to its caller")                                 \
	X(truncated, truncated_unreadable_memory, "stacks that end in unreadable memory")        \
	X(truncated, truncated_kernel_depth, "kernel stacks deeper than perf_event_max_stack")   \
	X(truncated, process_32bit, "stacks of 32-bit processes, not walked")                    \
	X(truncated, lost_kernel_stack, "samples in the kernel without a kernel stack")          \
	X(note, new_stacks, "stacks sent to user space")                                         \
	X(note, children_not_followed, "forked children not selected because sel_pids was full") \
	X(note, unknown_mappings,                                                                \
	  "user frames sent as addresses: their mapping was not in proc_mappings")               \
	X(truncated, python_unknown_version,                                                     \
	  "stacks without Python's functions: this build of Python is not known")                \
	X(truncated, python_no_thread_state,                                                     \
	  "stacks without Python's functions: no thread state, or none of several in use")       \
	X(truncated, python_unreadable_memory,                                                   \
	  "stacks whose Python frames could not be read to their end")                           \
	X(note, python_names, "functions of Python whose names were sent to user space")         \
	X(note, python_names_lost,                                                               \
	  "Python frames without a name: it could not be read or sent at that moment")           \
	X(note, cgroups_too_deep, "runs whose cgroup has more ancestors than are compared")      \
	X(total, run_ns,                                                                         \
	  "time of the sampling program in nanoseconds, where a budget asks for it")             \
	X(total, follow_ns,                                                                      \
	  "time of the programs that follow processes and mappings, likewise in nanoseconds")

/* One value per CPU; bpftool prints it with these names. */
struct cpu_stats {
#define X(kind, name, text) __u64 name;
	WAGGLE_STATS(X)
#undef X
};

#endif
