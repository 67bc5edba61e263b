/* SPDX-License-Identifier: GPL-2.0 */
/* From an address of a process to the mapping that holds it: two branch-free searches. */
#ifndef WAGGLE_LIB_MAPPINGS_BPF_H
#define WAGGLE_LIB_MAPPINGS_BPF_H

#include "vmlinux/vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "bpf/abi/mappings.h"

/* process_id -> its nodes.  User space writes; max_entries is set by it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct process_id);
	__type(value, struct process_mappings);
} proc_mappings SEC(".maps");

/* Raised after each change of proc_mappings, atomically: both sides do. */
volatile __u64 proc_version;

/* Sizes, not types: libbpf 1.1 cannot find the size of an inner map's value type. */
struct proc_chunk {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAPPINGS_NODES_PER_CHUNK);
	__uint(key_size, sizeof(u32));
	__uint(value_size, sizeof(struct mapping_node));
};

/* Node number / nodes per chunk -> chunk.  Chunks are added as they are needed, never removed. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MAPPINGS_MAX_CHUNKS);
	__type(key, u32);
	__array(values, struct proc_chunk);
} proc_nodes SEC(".maps");

static __always_inline struct mapping_node *maps_node(u32 node)
{
	u32 chunk = node / MAPPINGS_NODES_PER_CHUNK;
	u32 at = node % MAPPINGS_NODES_PER_CHUNK;
	void *nodes = bpf_map_lookup_elem(&proc_nodes, &chunk);

	return nodes ? bpf_map_lookup_elem(nodes, &at) : 0;
}

/*
 * The last of 32 sorted values, `stride` bytes apart, that is <= key; 0 when none is.  Without
 * branches, so that the verifier sees one path and not 2^5: (v - key - 1) >> 63 is 1 for v <= key
 * (addresses of user space have their top bit clear; all ones, a free place, counts as greater).
 * barrier_var() keeps the compiler from making a branch of it.
 */
#define maps_search(value_at, key)                                         \
	({                                                                 \
		u64 lo_ = 0;                                               \
		_Pragma("unroll") for (u32 half_ = 16; half_; half_ >>= 1) \
		{                                                          \
			u64 v_ = value_at((lo_ + half_) & 31);             \
			u64 is_le_ = (v_ >> 63) ^ 1;                       \
			u64 below_ = (v_ - (key) - 1) >> 63;               \
			is_le_ &= below_;                                  \
			barrier_var(is_le_);                               \
			lo_ += half_ * is_le_;                             \
		}                                                          \
		lo_ & 31;                                                  \
	})

/* 0: the process is not known here. */
static __always_inline struct process_mappings *maps_of(const struct process_id *process)
{
	return bpf_map_lookup_elem(&proc_mappings, process);
}

static __always_inline bool maps_is_same_process(const struct process_id *a,
						 const struct process_id *b)
{
	return a->tgid == b->tgid && a->exec_id == b->exec_id &&
	       a->start_boottime_ns == b->start_boottime_ns;
}

/* The epoch of what is known of the process; 0: nothing. */
static __always_inline u64 maps_epoch(const struct process_id *process, u64 *has_python)
{
	const struct process_mappings *mappings = maps_of(process);
	u64 epoch = mappings ? mappings->epoch : 0;

	*has_python = mappings ? mappings->has_python : 0;
	barrier();
	/* The entry may have been reused for another process before its epoch was read. */
	return epoch && maps_is_same_process(&mappings->process, process) ? epoch : 0;
}

/* Copies the row that holds `address`.  False: the mapping is not known here. */
static __always_inline bool maps_find_row(const struct process_mappings *mappings,
					  const struct process_id *process, u64 address,
					  struct mapping_row *out)
{
	struct mapping_node *node;
	u64 at;
	u32 number;

#define value_at(i) mappings->node_starts[i]
	at = maps_search(value_at, address);
#undef value_at
	number = mappings->nodes[at];
	if (!maps_is_same_process(&mappings->process, process))
		return false; /* reused meanwhile for another process */
	node = maps_node(number);
	if (!node)
		return false;
#define value_at(i) node->rows[i].start
	at = maps_search(value_at, address);
#undef value_at
	*out = node->rows[at];
	if (address < out->start || address >= out->end)
		return false;
	return out->start >= mappings->changed_end || out->end <= mappings->changed_start ||
	       bpf_ktime_get_ns() >= mappings->changed_until_ns;
}

/*
 * A file is mapped to be executed at [start, end) of the current process.  User space hears of it
 * 0.1 ms later, and some milliseconds on a busy host; what was mapped there before was unmapped.
 */
static __always_inline void maps_note_change(const struct process_id *process, u64 start, u64 end)
{
	struct process_mappings *mappings = maps_of(process);

	if (!mappings || !maps_is_same_process(&mappings->process, process))
		return;
	if (mappings->changed_end) {
		start = start < mappings->changed_start ? start : mappings->changed_start;
		end = end > mappings->changed_end ? end : mappings->changed_end;
	}
	mappings->changed_until_ns = bpf_ktime_get_ns() + MAPPINGS_CHANGED_NS;
	mappings->changed_start = start;
	mappings->changed_end = end;
	__sync_fetch_and_add(&mappings->epoch, MAPPINGS_EPOCH_CHANGED);
	__sync_fetch_and_add(&proc_version, 1);
}

#endif
