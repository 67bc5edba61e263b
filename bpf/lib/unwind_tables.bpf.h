/* SPDX-License-Identifier: GPL-2.0 */
/* The pool of unwind tables (bpf/abi/unwind.h): from a key of a table to the number of its rule. */
#ifndef WAGGLE_LIB_UNWIND_TABLES_BPF_H
#define WAGGLE_LIB_UNWIND_TABLES_BPF_H

#include "vmlinux/vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "bpf/abi/unwind.h"
#include "bpf/lib/unwind_step.h"

/* Number -> rule.  User space sets max_entries and writes. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct unw_rule);
} unw_rules SEC(".maps");

/* Sizes, not types: libbpf 1.1 cannot find the size of an inner map's value type. */
struct unw_chunk {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, UNW_NODES_PER_CHUNK);
	__uint(key_size, sizeof(u32));
	__uint(value_size, UNW_NODE_BYTES);
};

/* Node number / nodes per chunk -> chunk.  Chunks are added as they are needed, never removed. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, UNW_MAX_CHUNKS);
	__type(key, u32);
	__array(values, struct unw_chunk);
} unw_nodes SEC(".maps");

static __always_inline struct unw_node *unw_node_of(u32 number)
{
	u32 chunk = number / UNW_NODES_PER_CHUNK;
	u32 at = number % UNW_NODES_PER_CHUNK;
	void *nodes = bpf_map_lookup_elem(&unw_nodes, &chunk);

	return nodes ? bpf_map_lookup_elem(nodes, &at) : 0;
}

/* UNW_RULE_FRAME_POINTER too when a node is not there, which never is. */
static __always_inline u32 unw_find_rule(u32 table, u64 key)
{
	struct unw_node *node = unw_node_of(unw_table_root(table));
	u32 levels = unw_table_levels(table);
	u64 first_key = 0;
	u32 at;

	for (u32 level = 0; level < UNW_MAX_LEVELS && node; level++) {
		if (level >= levels)
			break;
		at = unw_search_branches(node->branches, key);
		first_key = node->branches[at].first_key;
		node = unw_node_of(node->branches[at].child);
	}
	if (!node)
		return UNW_RULE_FRAME_POINTER;
	at = unw_search_rows(node->rows, key - first_key);
	return node->rows[at].rule;
}

#endif
