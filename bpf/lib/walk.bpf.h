/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The walk in progress on each CPU: what the loop (unwind.bpf.h) and the walkers of interpreters
 * (python.bpf.h) hand on from turn to turn, and the stack that they fill.  In a map, where its
 * values are unknown to the verifier, which is what keeps its states few.
 */
#ifndef WAGGLE_LIB_WALK_BPF_H
#define WAGGLE_LIB_WALK_BPF_H

#include "vmlinux/vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "bpf/abi/cpu_sampler.h"
#include "bpf/abi/frame.h"
#include "bpf/abi/markers.h"
#include "bpf/abi/mappings.h"
#include "bpf/lib/unwind_step.h"

enum {
	UNW_WINDOW_BYTES = 1024,
	UNW_WINDOW_WORDS = UNW_WINDOW_BYTES / 8,
	UNW_PAGE_BYTES = 4096,
	UNW_ROWS = 4, /* a power of two; an executable, libc and two more */
};

/* A copy of `size` bytes of the stack from `start` on: one read serves the next frames. */
struct unw_memory {
	__u64 start; /* a multiple of 8, as size is */
	__u64 size;
	__u64 words[UNW_WINDOW_WORDS];
};

/*
 * Rows found before, also by earlier walks on this CPU: good for as long as it is the same process
 * and its mappings have not changed since.  A search costs 100 ns and more.
 */
struct unw_row_cache {
	struct process_id process;
	__u64 version;	  /* proc_version when the epoch was looked up */
	__u64 epoch;	  /* of its process_mappings; 0: nothing is known of the process */
	__u64 has_python; /* at some of its addresses */
	__u32 last;	  /* the row that was right last: the next frame is often in it too */
	__u32 pad_;
	struct mapping_row rows[UNW_ROWS]; /* end 0: covers nothing */
};

/* Whose code an address is in. */
enum unw_code {
	UNW_CODE_NATIVE,
	UNW_CODE_PYTHON_LOOP,	  /* its frames stand for Python's */
	UNW_CODE_PYTHON_PART,	  /* of an evaluation whose loop's frame comes next */
	UNW_CODE_PYTHON_UNWALKED, /* of a Python whose functions cannot be told */
};

/* Where a walk stands with Python. */
enum unw_python {
	UNW_PYTHON_UNKNOWN, /* no evaluation loop was met yet */
	UNW_PYTHON_BETWEEN, /* among native frames */
	UNW_PYTHON_RUN,	    /* Python frames come next: py_walk_frame() */
	UNW_PYTHON_NONE,    /* none can be found: native frames are all there is */
};

/*
 * What an address was found to be, by earlier walks on this CPU too: call sites repeat.  Good as
 * long as the process' mappings, which an epoch stands for, are what they were.
 */
struct unw_pc_entry {
	__u64 pc;
	__u64 epoch; /* of process_mappings; 0: a free entry */
	__u64 frame;
	struct unw_rule rule; /* a copy: its map is one more line to fetch, cold at most samples */
	__u32 code;	      /* enum unw_code */
	__u32 is_pending;     /* the table of its file is not there yet */
	__u32 pad_[4];	      /* to a cache line */
};

enum {
	UNW_PC_ENTRY_BITS = 9,
	UNW_PC_ENTRIES =
		1 << UNW_PC_ENTRY_BITS, /* 32,768 bytes, the most that a CPU's element can have */
};

struct unw_pc_cache {
	struct unw_pc_entry entries[UNW_PC_ENTRIES];
};

/* 0 -> the cache of this CPU, direct-mapped. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct unw_pc_cache);
} unw_pc_caches SEC(".maps");

struct unw_walk {
	struct unw_registers regs;
	__u64 hash;	     /* of the frames so far: becomes the stack id */
	__u32 outcome;	     /* enum unw_outcome, why the loop ended */
	__u32 unknown_count; /* frames whose mapping the kernel side does not know */
	__u32 is_return;     /* regs.ip is a return address, not where the code was interrupted */
	__u32 first_frame;   /* number of the innermost user frame */
	__u32 depth;	     /* of the native frame that is walked, recorded or not; 0: innermost */
	__u32 python;	     /* enum unw_python */
	__u32 is_marked;     /* the marker that says why native frames end is in place */
	__u32 is_python_lost; /* frames of Python's are missing; a marker says so */
	__u32 is_unwalked;    /* they may be missing: a frame was UNW_CODE_PYTHON_UNWALKED */
	__u32 pad_;
	__u64 loop_frame; /* of the run in progress */
	__u64 asked_ns;	  /* when user space was last woken for such frames */
	struct unw_spare spare;
	/* These two here for the sake of the stack: all calls of a program have 512 bytes. */
	struct pt_regs saved;	  /* with which the task entered the kernel */
	struct cpu_count_key key; /* of the sample */
	struct unw_row_cache cache;
	struct unw_memory memory;
	struct {
		struct cpu_stack head;
		__u64 frames[CPU_MAX_FRAMES + 1]; /* the +1 is never filled: see unw_push() */
	} stack;
};

/* 0 -> the walk in progress on this CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct unw_walk);
} unw_walks SEC(".maps");

static __always_inline struct unw_walk *unw_walk_of_this_cpu(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&unw_walks, &zero);
}

/* Order matters: every frame goes through a multiplication and a fold of the high half. */
static __always_inline u64 unw_hash(u64 hash, u64 value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 29;
}

/* False when the buffer is full. */
static __always_inline bool unw_push(struct unw_walk *w, u64 frame)
{
	u32 at = w->stack.head.frame_count;

	if (at >= CPU_MAX_FRAMES)
		return false;
	w->stack.frames[at] = frame;
	w->stack.head.frame_count = at + 1;
	w->hash = unw_hash(w->hash, frame);
	return true;
}

/* False when there are as many user frames as there can be. */
static __always_inline bool unw_push_user(struct unw_walk *w, u64 frame)
{
	return w->stack.head.frame_count - w->first_frame < CPU_MAX_USER_FRAMES &&
	       unw_push(w, frame);
}

#endif
