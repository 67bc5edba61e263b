/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * Unwind tables: from an address in an executable file to the rule that leads from a frame there to
 * its caller.  User space compiles them from a file's call frame information
 * (symbolizer/unwind_table.h); the kernel side searches them and applies the rule
 * (bpf/lib/unwind_step.h).
 *
 * A table is a tree of nodes of 1 KiB that may lie anywhere in a pool: leaves of rows, and above
 * them up to UNW_MAX_LEVELS levels of branches.  Keys are "address in the file minus the file's
 * lowest executable address", 32 bits.  Every node is full: the last row or branch is repeated, so
 * that a search has a fixed number of steps.
 */
#ifndef WAGGLE_ABI_UNWIND_H
#define WAGGLE_ABI_UNWIND_H

#include "bpf/abi/abi.h"

/*
 * How the CFA (canonical frame address, DWARF 5 section 6.4: the caller's stack pointer) is found.
 * `base` is sp or fp, [x] the word at address x.
 */
enum unw_cfa {
	UNW_CFA_FRAME_POINTER,	/* no table for this code: walk by frame pointer */
	UNW_CFA_UNSUPPORTED,	/* there is one, and no rule can say it, or it has not come yet:
				   likewise, but an end that is found so is not believed */
	UNW_CFA_END,		/* the thread's entry: there is no caller */
	UNW_CFA_SP,		/* sp + cfa_offset */
	UNW_CFA_FP,		/* fp + cfa_offset */
	UNW_CFA_OTHER,		/* other_register + cfa_offset */
	UNW_CFA_SP_DEREF,	/* [sp + cfa_offset] + cfa_addend */
	UNW_CFA_FP_DEREF,	/* [fp + cfa_offset] + cfa_addend: a realigned stack */
	UNW_CFA_SP_INDEX_DEREF, /* [sp + 8 * other_register + cfa_offset] + cfa_addend */
	UNW_CFA_PLT,		/* sp + cfa_offset, plus 8 if ip % 16 >= cfa_addend */
	UNW_CFA_FP_ANYWHERE,	/* fp + cfa_offset, on another stack; fp = 0: there is no caller */
};

/* Where a register of the caller is. */
enum unw_saved {
	UNW_SAVED_NOT,	 /* unchanged: it is in its register still */
	UNW_SAVED_LOST,	 /* nobody knows */
	UNW_SAVED_CFA,	 /* [CFA + its offset] */
	UNW_SAVED_SP,	 /* [sp + its offset], sp being that of the frame itself */
	UNW_SAVED_FP,	 /* [fp + its offset], likewise */
	UNW_SAVED_OTHER, /* in other_register */
};

/*
 * Whether the frame has saved the spare register: rbx, which the dynamic linker's resolver of
 * lazily bound functions has its CFA in.  Said by the tables of files that have such a rule; of all
 * other numbers of words: so far below the CFA.
 */
enum unw_spare_place {
	UNW_SPARE_UNKNOWN = 0,
	UNW_SPARE_KEPT = 255,
};

/*
 * The caller's sp is the CFA.  All zeroes is the rule for code without a table.
 * The value of other_register is known in the interrupted frame, and further out if it is the spare
 * register and all frames on the way have said where it is.
 */
struct unw_rule {
	__s32 cfa_offset;
	__s16 cfa_addend;
	__s16 fp_offset;
	__s16 ra_offset;
	__u8 cfa; /* enum unw_cfa; all fields below and above are 0 where they say nothing */
	__u8 fp;  /* enum unw_saved, the caller's frame pointer */
	__u8 ra;  /* enum unw_saved, the return address; not _NOT, not _LOST, not _FP */
	__u8 other_register;  /* DWARF register number plus one; 0: none is named above */
	__u8 is_signal_frame; /* the caller was interrupted, or is entered at a landing pad: its ip
				 is no return address */
	__u8 spare;	      /* enum unw_spare_place, or words */
};
ABI_ASSERT(sizeof(struct unw_rule) == 16, "unw_rule has no padding");

/* Rules are shared by the tables of all files; these numbers are fixed. */
enum unw_fixed_rule {
	UNW_RULE_FRAME_POINTER,
	UNW_RULE_UNSUPPORTED,
	UNW_RULE_END,
	UNW_FIXED_RULES,
};

enum {
	UNW_MAX_RULES = 65536, /* a row has 16 bits for one */
	UNW_NODE_BYTES = 1024,
	UNW_ROWS_PER_LEAF = 256,
	UNW_BRANCHES_PER_NODE = 128,
	UNW_MAX_LEVELS = 3,    /* of branches: 2 Mi leaves, 512 Mi rows */
	UNW_LEAF_SPAN = 65536, /* a row has 16 bits for its address */
};

/* Holds from its address to that of the next row. */
struct unw_row {
	__u16 offset; /* key minus the leaf's first key */
	__u16 rule;
};
ABI_ASSERT(sizeof(struct unw_row) == 4, "unw_row has no padding");

struct unw_branch {
	__u32 first_key; /* of the child */
	__u32 child;	 /* number of the node in the pool */
};
ABI_ASSERT(sizeof(struct unw_branch) == 8, "unw_branch has no padding");

struct unw_node {
	union {
		struct unw_row rows[UNW_ROWS_PER_LEAF];		   /* a leaf */
		struct unw_branch branches[UNW_BRANCHES_PER_NODE]; /* any other */
	};
};
ABI_ASSERT(sizeof(struct unw_node) == UNW_NODE_BYTES, "unw_node is a node");

/* What a mapping needs to know of its file's table.  The first key of the root is 0. */
struct unw_tree {
	__u32 root;   /* number of the node in the pool */
	__u32 levels; /* of branches above the leaves; 0: the root is a leaf */
};
ABI_ASSERT(sizeof(struct unw_tree) == 8, "unw_tree has no padding");

/* The pool: UNW_MAX_CHUNKS maps of UNW_NODES_PER_CHUNK nodes, 1 MiB each. */
enum {
	UNW_NODES_PER_CHUNK = 1024,
	UNW_MAX_CHUNKS = 256,
	UNW_ROOT_BITS = 30,
};

/* A tree in 32 bits, as a mapping_row has it; or: the file has none; it is not known yet. */
#define UNW_NO_TABLE 0xffffffffU
#define UNW_TABLE_PENDING 0xfffffffeU

static inline __u32 unw_table_make(struct unw_tree tree)
{
	return tree.levels << UNW_ROOT_BITS | tree.root;
}

static inline __u32 unw_table_root(__u32 table)
{
	return table & ((1U << UNW_ROOT_BITS) - 1);
}

static inline __u32 unw_table_levels(__u32 table)
{
	return table >> UNW_ROOT_BITS;
}

#endif
