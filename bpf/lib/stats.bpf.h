/* SPDX-License-Identifier: GPL-2.0 */
/* The counters of bpf/abi/stats.h: no way to lose a sample goes uncounted. */
#ifndef WAGGLE_LIB_STATS_BPF_H
#define WAGGLE_LIB_STATS_BPF_H

#include "vmlinux/vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "bpf/abi/stats.h"

/*
 * Which of the two count tables is written: its low bit.  User space raises it, waits until no
 * program still uses the old value, and then owns the old table.
 */
volatile __u32 cpu_generation;

/*
 * Low bit of the generation -> the counters of this CPU; the sums of both are what has happened in
 * all.  Two, so that those of an ended generation stand still.  Written by each program, read by
 * user space.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, struct cpu_stats);
} cpu_stats SEC(".maps");

static __always_inline struct cpu_stats *stats_of_generation(u32 generation)
{
	u32 key = generation & 1;

	return bpf_map_lookup_elem(&cpu_stats, &key);
}

/*
 * For what is in no sum with the counts: the generation may have ended since the program looked at
 * it.
 */
static __always_inline struct cpu_stats *stats_of_this_cpu(void)
{
	return stats_of_generation(cpu_generation);
}

#endif
