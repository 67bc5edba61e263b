/* SPDX-License-Identifier: GPL-2.0 */
/* The counters of bpf/abi/stats.h: no way to lose a sample goes uncounted. */
#ifndef WAGGLE_LIB_STATS_BPF_H
#define WAGGLE_LIB_STATS_BPF_H

#include "vmlinux/vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "bpf/abi/stats.h"

/* 0 -> the counters of this CPU.  Written by each program, read by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct cpu_stats);
} cpu_stats SEC(".maps");

static __always_inline struct cpu_stats *stats_of_this_cpu(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&cpu_stats, &zero);
}

#endif
