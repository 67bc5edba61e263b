/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* The name of one process instance: exec makes a new one, and so does a reused pid. */
#ifndef WAGGLE_ABI_PROCESS_H
#define WAGGLE_ABI_PROCESS_H

#include "bpf/abi/abi.h"

struct process_id {
	__u32 tgid;		 /* in the initial pid namespace */
	__u32 exec_id;		 /* low half of task->self_exec_id: up by one with each exec */
	__u64 start_boottime_ns; /* of the thread group leader; /proc/PID/stat has it in ticks */
};
ABI_ASSERT(sizeof(struct process_id) == 16, "process_id has no padding");

/* One thread of the host, as cpu_on_list tells of all that live. */
struct process_thread {
	struct process_id process;
	__u64 cpu_ns; /* time that it ran, as of the last tick */
};
ABI_ASSERT(sizeof(struct process_thread) == 24, "process_thread has no padding");

enum { PROCESS_COMM_BYTES = 16 };

#endif
