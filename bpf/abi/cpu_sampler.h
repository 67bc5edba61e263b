/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* The wire of the CPU sampler: its configuration, its count table and the records in its rings. */
#ifndef WAGGLE_ABI_CPU_SAMPLER_H
#define WAGGLE_ABI_CPU_SAMPLER_H

#include "bpf/abi/abi.h"
#include "bpf/abi/process.h"

enum {
	CPU_MAX_KERNEL_FRAMES = 127, /* the default of kernel.perf_event_max_stack */
	CPU_MAX_USER_FRAMES = 1024,
	CPU_MAX_MARKERS = 2, /* one for each part of the stack */
	CPU_MAX_FRAMES = CPU_MAX_KERNEL_FRAMES + CPU_MAX_USER_FRAMES + CPU_MAX_MARKERS,
};

/* Set before the program is loaded; the verifier removes what is switched off. */
struct cpu_sampler_config {
	__u32 self_tgid;	 /* never sampled; 0: sample everything */
	__u32 is_pid_filtered;	 /* only the processes in sel_pids */
	__u32 is_thread_counted; /* count each thread on its own, with its own comm */
	__u32 ring_count;	 /* rings in cpu_stacks; CPU number modulo this chooses */
	__u32 ring_bytes;	 /* of each */
	__u32 is_timed;		 /* count the time of each run */
};
ABI_ASSERT(sizeof(struct cpu_sampler_config) == 24, "cpu_sampler_config has no padding");

/* cpu_counts_N: this -> samples. */
struct cpu_count_key {
	__u64 stack_id;
	struct process_id process;
	__u32 tid; /* 0 unless is_thread_counted */
	__u32 pad_;
	char comm[PROCESS_COMM_BYTES]; /* of the leader, or of the thread if is_thread_counted */
};
ABI_ASSERT(sizeof(struct cpu_count_key) == 48, "cpu_count_key has no padding");

/*
 * cpu_stacks: sent when a stack is first counted in a generation.  frame_count frames follow
 * (bpf/abi/frame.h), leaf first: kernel frames, then user frames, each part with its marker, if
 * any, behind it.  Without frames it is no stack: the process has just begun a program, and will be
 * sampled soon.
 */
struct cpu_stack {
	__u64 stack_id;
	struct process_id process;
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u32 generation;
	__u32 frame_count;
};
ABI_ASSERT(sizeof(struct cpu_stack) == 40, "cpu_stack has no padding");

#endif
