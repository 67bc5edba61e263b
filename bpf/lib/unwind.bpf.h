/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The user side of a stack: one loop in one program over a global function, which the verifier
 * checks once and not once for each of the 1,024 turns (13,000 instructions in all, from 5.10 on).
 * State between turns lives in the map `unw_walks`; values kept there are unknown to the verifier,
 * which is what keeps its states few.
 */
#ifndef WAGGLE_LIB_UNWIND_BPF_H
#define WAGGLE_LIB_UNWIND_BPF_H

#include "vmlinux/vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "bpf/abi/cpu_sampler.h"
#include "bpf/abi/frame.h"
#include "bpf/lib/arch.bpf.h"
#include "bpf/lib/kcompat.bpf.h"
#include "bpf/lib/mappings.bpf.h"
#include "bpf/lib/unwind_step.h"
#include "bpf/lib/unwind_tables.bpf.h"

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
	__u64 version; /* proc_version when the epoch was looked up */
	__u64 epoch;   /* of its process_mappings; 0: nothing is known of the process */
	__u32 last;    /* the row that was right last: the next frame is often in it too */
	__u32 pad_;
	struct mapping_row rows[UNW_ROWS]; /* end 0: covers nothing */
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
	__u64 pad_[3];	      /* to a cache line */
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
	__u64 hash; /* of the frames so far: becomes the stack id */
	__u32 user_count;
	__u32 outcome;	     /* enum unw_outcome, why the loop ended */
	__u32 unknown_count; /* frames whose mapping the kernel side does not know */
	__u32 is_return;     /* regs.ip is a return address, not where the code was interrupted */
	__u32 first_frame;   /* number of the innermost user frame */
	__u32 pad_;
	__u64 asked_ns; /* when user space was last woken for such frames */
	struct unw_spare spare;
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

/*
 * Fills the window from `address` on and reads its first word.  Never past the page of `address`: a
 * read that faults on the next page costs 0.5 to 0.8 us and brings nothing.
 */
static __noinline int unw_fill_window(struct unw_memory *window, u64 address, u64 *value)
{
	u64 size = UNW_PAGE_BYTES - (address & (UNW_PAGE_BYTES - 1));

	if (address % UNW_WORD_BYTES != 0 || !unw_is_user_address(address))
		return -1;
	if (size > UNW_WINDOW_BYTES)
		size = UNW_WINDOW_BYTES;
	window->start = address;
	window->size = 0;
	if (bpf_probe_read_user(window->words, size, (void *)address))
		return -1;
	window->size = size;
	*value = window->words[0];
	return 0;
}

static inline int unw_read_word(struct unw_memory *memory, __u64 address, __u64 *value)
{
	u64 offset = address - memory->start;

	if (offset >= memory->size || offset % UNW_WORD_BYTES != 0)
		return unw_fill_window(memory, address, value);
	*value = memory->words[offset / UNW_WORD_BYTES & (UNW_WINDOW_WORDS - 1)];
	return 0;
}

static __always_inline void unw_begin_rows(struct unw_row_cache *cache,
					   const struct process_id *process)
{
	bool is_same = maps_is_same_process(&cache->process, process);
	u64 version = proc_version;
	u64 epoch;

	if (is_same && version == cache->version)
		return; /* nothing has changed: a lookup in a large map less */
	epoch = maps_epoch(process);
	cache->version = version;
	if (is_same && epoch == cache->epoch)
		return;
	cache->process = *process;
	cache->epoch = epoch;
	for (u32 i = 0; i < UNW_ROWS; i++)
		cache->rows[i].end = 0;
}

/* The row that holds `address`, or 0. */
static __always_inline struct mapping_row *unw_find_row(struct unw_row_cache *cache, u64 address)
{
	struct process_mappings *mappings;
	struct mapping_row *row;

	for (u32 i = 0; i < UNW_ROWS; i++) {
		row = &cache->rows[(cache->last + i) & (UNW_ROWS - 1)];
		if (address >= row->start && address < row->end) {
			cache->last += i;
			return row;
		}
	}
	mappings = cache->epoch ? maps_of(&cache->process) : 0;
	if (!mappings)
		return 0;
	cache->last--; /* the one that was right longest ago, more or less */
	row = &cache->rows[cache->last & (UNW_ROWS - 1)];
	if (maps_find_row(mappings, &cache->process, address, row))
		return row;
	row->end = 0;
	return 0;
}

/* Finds the frame, and the rule to its caller, of an address that is not in the cache. */
static __always_inline void unw_find_place(struct unw_walk *w, struct unw_pc_entry *entry, u64 pc)
{
	struct mapping_row *row = unw_find_row(&w->cache, pc);
	u32 number = UNW_RULE_FRAME_POINTER;
	struct unw_rule *rule;
	u64 from_start;

	entry->pc = pc;
	entry->epoch = 0;
	entry->frame = pc;
	if (row) {
		from_start = pc - row->start;
		entry->epoch = w->cache.epoch;
		entry->frame = row->first_frame + from_start;
		if (row->table == UNW_TABLE_PENDING)
			number = UNW_RULE_UNSUPPORTED;
		else if (row->table != UNW_NO_TABLE)
			number = unw_find_rule(row->table, (u32)(row->first_key + from_start));
	} else {
		number = UNW_RULE_UNSUPPORTED;
		w->unknown_count++;
	}
	rule = bpf_map_lookup_elem(&unw_rules, &number);
	if (!rule)
		return;
	entry->rule = *rule;
	/* Nobody called a signal trampoline: it is returned to at its first byte. */
	if (rule->is_signal_frame)
		entry->frame += w->is_return;
}

static __always_inline struct unw_pc_entry *unw_pc_entry_of(u64 pc, u64 epoch)
{
	u32 zero = 0;
	struct unw_pc_cache *cache = bpf_map_lookup_elem(&unw_pc_caches, &zero);
	u64 hash = (pc ^ epoch << 32) * 0x9e3779b97f4a7c15ULL;

	return cache ? &cache->entries[hash >> (64 - UNW_PC_ENTRY_BITS)] : 0;
}

/*
 * The value of a register that few rules name, in the last frame recorded; 0: it is not known.
 * A function of its own: it is needed in one walk of thousands.
 */
__noinline u64 unw_find_other(u32 number)
{
	struct unw_walk *w = unw_walk_of_this_cpu();
	u64 value = 0;
	u32 frame;

	if (!w)
		return 0;
	frame = w->stack.head.frame_count - 1;
	if (frame == w->first_frame)
		return kc_read_user_register(number);
	if (!arch_is_spare_register(number) || frame != w->spare.frame)
		return 0;
	if (w->spare.address == 0)
		return kc_read_user_register(number);
	return unw_read_word(&w->memory, w->spare.address, &value) ? 0 : value;
}

/* Records the frame in w->regs and goes on to its caller.  Non-zero ends the loop. */
__noinline int unwind_one_frame(void)
{
	struct unw_walk *w = unw_walk_of_this_cpu();
	struct unw_pc_entry *entry;
	struct unw_rule *rule;
	u64 pc, other = 0;

	if (!w)
		return 1;
	/* A return address minus one lies inside the call, also when the call ends its function. */
	pc = w->regs.ip - w->is_return;
	entry = unw_pc_entry_of(pc, w->cache.epoch);
	if (!entry)
		return 1;
	if (entry->pc != pc || entry->epoch != w->cache.epoch || !entry->epoch)
		unw_find_place(w, entry, pc);
	if (!unw_push(w, entry->frame))
		return 1;
	rule = &entry->rule;
	if (rule->other_register)
		other = unw_find_other(rule->other_register - 1);
	w->outcome = unw_step_rule(&w->memory, &w->regs, rule, other);
	w->is_return = !rule->is_signal_frame;
	if (rule->spare)
		unw_follow_spare(&w->spare, rule, w->regs.sp, w->stack.head.frame_count - 1);
	if (w->outcome == UNW_COMPLETE && rule->cfa == UNW_CFA_FRAME_POINTER &&
	    w->stack.head.frame_count - 1 == w->first_frame)
		w->outcome = UNW_NO_INFO; /* a leaf does not set its frame pointer */
	return w->outcome != UNW_STEPPED;
}

/* w->regs are those of the innermost user frame. */
static __always_inline void unw_walk_user_stack(struct unw_walk *w)
{
	w->memory.start = 0;
	w->memory.size = 0;
	w->is_return = 0;
	w->first_frame = w->stack.head.frame_count;
	w->spare.address = 0;
	w->spare.frame = w->first_frame;
	unw_begin_rows(&w->cache, &w->stack.head.process);
	for (u32 turn = 0; turn < CPU_MAX_USER_FRAMES; turn++)
		if (unwind_one_frame())
			break;
	if (w->outcome == UNW_STEPPED)
		w->outcome = UNW_TOO_DEEP;
}

#endif
