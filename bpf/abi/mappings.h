/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * Who is mapped where, as the kernel side knows it: proc_mappings leads from a process instance to
 * its nodes in proc_nodes, and a node has rows, one for each executable mapping of a file.
 *
 * User space writes fresh nodes, then the entry that names them, and uses old nodes again only
 * after a grace period: a walk in progress sees the old rows or the new ones.  Until it has, the
 * kernel side marks what was mapped meanwhile.
 */
#ifndef WAGGLE_ABI_MAPPINGS_H
#define WAGGLE_ABI_MAPPINGS_H

#include "bpf/abi/abi.h"
#include "bpf/abi/process.h"
#include "bpf/abi/unwind.h"

enum {
	MAPPINGS_ROWS_PER_NODE = 32,
	MAPPINGS_NODES_PER_PROCESS = 32, /* 1,024 mappings; the rest is resolved by user space */
	MAPPINGS_NODES_PER_CHUNK = 1024, /* 1 MiB */
	MAPPINGS_MAX_CHUNKS = 64,
	/* User space knows of a change in some milliseconds; if it still says nothing, it sees
	   none. */
	MAPPINGS_CHANGED_NS = 1000000000,
};

/* What the kernel side adds to an epoch; user space counts below. */
#define MAPPINGS_EPOCH_CHANGED (1ULL << 48)

/* Sorted by start, without overlaps.  A free row has start = end = all ones. */
struct mapping_row {
	__u64 start;
	__u64 end;
	__u64 first_frame; /* of start, a native frame (bpf/abi/frame.h); that of start + n is n
			      more */
	__u32 table;	   /* of its file: see unw_table_make(); UNW_NO_TABLE: none, or not yet */
	__u32 first_key;   /* of start in that table, modulo 2^32 */
};
ABI_ASSERT(sizeof(struct mapping_row) == 32, "mapping_row has no padding");

struct mapping_node {
	struct mapping_row rows[MAPPINGS_ROWS_PER_NODE];
};

/* The value of proc_mappings. */
struct process_mappings {
	struct process_id process; /* the key again: an entry may be reused while it is read */
	__u64 epoch;		   /* of this value; none is used twice */
	__u64 has_python;	   /* 1: py_processes has an entry for it */
	/*
	 * What was mapped since the rows were written, by the kernel side: no row that lies there
	 * is believed before `changed_until_ns` (CLOCK_MONOTONIC).
	 */
	__u64 changed_start;
	__u64 changed_end; /* 0: nothing was */
	__u64 changed_until_ns;
	/* Of the first row of each node; all ones where there is no node. */
	__u64 node_starts[MAPPINGS_NODES_PER_PROCESS];
	__u32 nodes[MAPPINGS_NODES_PER_PROCESS];
};
ABI_ASSERT(sizeof(struct process_mappings) == 440, "process_mappings has no padding");

#endif
