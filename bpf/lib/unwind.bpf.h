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
#include "bpf/lib/python.bpf.h"
#include "bpf/lib/stats.bpf.h"
#include "bpf/lib/unwind_step.h"
#include "bpf/lib/unwind_tables.bpf.h"
#include "bpf/lib/walk.bpf.h"

enum {
	/*
	 * Each records a frame, but for the one at a shim: that ends a run of Python frames, which
	 * C code has called through two native frames at least.
	 */
	UNW_MAX_TURNS = CPU_MAX_USER_FRAMES + CPU_MAX_USER_FRAMES / 3,
};

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
	u64 epoch, has_python;

	if (is_same && version == cache->version)
		return; /* nothing has changed: a lookup in a large map less */
	epoch = maps_epoch(process, &has_python);
	cache->has_python = has_python;
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

static __always_inline struct unw_pc_entry *unw_pc_entry_of(u64 pc, u64 epoch)
{
	u32 zero = 0;
	struct unw_pc_cache *cache = bpf_map_lookup_elem(&unw_pc_caches, &zero);
	u64 hash = (pc ^ epoch << 32) * 0x9e3779b97f4a7c15ULL;

	return cache ? &cache->entries[hash >> (64 - UNW_PC_ENTRY_BITS)] : 0;
}

/*
 * Finds the frame, and the rule to its caller, of an address that is not in the cache, and puts it
 * there.  A function of its own: the verifier looks at it once.
 */
__noinline int unw_find_place(u64 pc)
{
	struct unw_walk *w = unw_walk_of_this_cpu();
	u32 number = UNW_RULE_FRAME_POINTER;
	struct unw_pc_entry *entry;
	struct mapping_row *row;
	struct unw_rule *rule;
	u64 from_start;

	if (!w)
		return 1;
	entry = unw_pc_entry_of(pc, w->cache.epoch);
	if (!entry)
		return 1;
	row = unw_find_row(&w->cache, pc);
	entry->pc = pc;
	entry->epoch = 0;
	entry->frame = pc;
	entry->code = UNW_CODE_NATIVE;
	entry->is_pending = row && row->table == UNW_TABLE_PENDING;
	if (row) {
		from_start = pc - row->start;
		entry->epoch = w->cache.epoch;
		if (w->cache.has_python)
			entry->code = py_code_at(pc);
		entry->frame = row->first_frame + from_start;
		if (entry->is_pending)
			number = UNW_RULE_UNSUPPORTED;
		else if (row->table != UNW_NO_TABLE)
			number = unw_find_rule(row->table, (u32)(row->first_key + from_start));
	} else {
		number = UNW_RULE_UNSUPPORTED;
		w->unknown_count++;
	}
	rule = bpf_map_lookup_elem(&unw_rules, &number);
	if (!rule)
		return 1;
	entry->rule = *rule;
	/* Nobody called a signal trampoline: it is returned to at its first byte. */
	if (rule->is_signal_frame)
		entry->frame += w->is_return;
	return 0;
}

/*
 * The value of a register that few rules name, in the native frame that is walked; 0: it is not
 * known.
 * A function of its own: it is needed in one walk of thousands.
 */
__noinline u64 unw_find_other(u32 number)
{
	struct unw_walk *w = unw_walk_of_this_cpu();
	u64 value = 0;

	if (!w)
		return 0;
	if (w->depth == 0)
		return kc_read_user_register(number);
	if (!arch_is_spare_register(number) || w->depth != w->spare.frame)
		return 0;
	if (w->spare.address == 0)
		return kc_read_user_register(number);
	return unw_read_word(&w->memory, w->spare.address, &value) ? 0 : value;
}

/* Whether a native frame is left out, because Python's frames take its place. */
static __always_inline bool unw_is_python(struct unw_walk *w, u32 code)
{
	if (code == UNW_CODE_PYTHON_UNWALKED) {
		w->is_unwalked = 1;
		return false;
	}
	if (w->python == UNW_PYTHON_UNKNOWN)
		w->python = py_begin(true);
	return w->python == UNW_PYTHON_BETWEEN;
}

/*
 * Records one Python frame of the run in progress.  The loop's own frame, if it is wanted, stands
 * below what it ran, that is behind it.
 */
static __always_inline void unw_walk_python(struct unw_walk *w)
{
	if (w->python == UNW_PYTHON_RUN)
		w->python = py_walk_frame();
	if (py_keeps_loops && w->python != UNW_PYTHON_RUN && !unw_push_user(w, w->loop_frame))
		w->outcome = UNW_TOO_DEEP;
}

/* Records the native frame in w->regs, and goes on to its caller. */
static __always_inline int unw_walk_native(struct unw_walk *w)
{
	struct unw_pc_entry *entry;
	struct unw_rule *rule;
	u64 pc, low, other = 0;
	u32 code;

	/* A return address minus one lies inside the call, also when the call ends its function. */
	pc = w->regs.ip - w->is_return;
	entry = unw_pc_entry_of(pc, w->cache.epoch);
	if (!entry)
		return 1;
	if ((entry->pc != pc || entry->epoch != w->cache.epoch || !entry->epoch) &&
	    unw_find_place(pc))
		return 1;
	code = entry->code;
	if (code && !unw_is_python(w, code))
		code = UNW_CODE_NATIVE;
	if (!code && !unw_push_user(w, entry->frame))
		return 1;
	low = w->regs.sp;
	rule = &entry->rule;
	if (rule->other_register)
		other = unw_find_other(rule->other_register - 1);
	/* It may be a leaf without a frame of its own: by frame pointer its caller would be missed.
	 */
	if (entry->is_pending && w->depth == 0)
		w->outcome = UNW_NO_INFO;
	else
		w->outcome = unw_step_rule(&w->memory, &w->regs, rule, other);
	w->is_return = !rule->is_signal_frame;
	if (rule->spare)
		unw_follow_spare(&w->spare, rule, w->regs.sp, w->depth);
	if (w->outcome == UNW_COMPLETE && rule->cfa == UNW_CFA_FRAME_POINTER && w->depth == 0)
		w->outcome = UNW_NO_INFO; /* a leaf does not set its frame pointer */
	w->depth++;
	if (code == UNW_CODE_PYTHON_LOOP) {
		w->loop_frame = entry->frame;
		w->python = py_begin_run(low, w->outcome == UNW_STEPPED ? w->regs.sp : ~0ULL);
		unw_walk_python(w);
	}
	return 0;
}

/*
 * Records the next frame: a native one, or one of the Python frames that it stands for.  Non-zero
 * ends the loop.
 */
__noinline int unwind_one_frame(void)
{
	struct unw_walk *w = unw_walk_of_this_cpu();

	if (!w)
		return 1;
	if (w->python == UNW_PYTHON_RUN)
		unw_walk_python(w);
	else if (unw_walk_native(w))
		return 1;
	if ((w->outcome == UNW_NO_INFO || w->outcome == UNW_UNREADABLE) && w->cache.has_python &&
	    w->python != UNW_PYTHON_RUN && !w->is_marked)
		w->python = py_begin_rest();
	return w->outcome != UNW_STEPPED && w->python != UNW_PYTHON_RUN;
}

/* Where Python's functions belong in such a stack is not known: the marker stands at the root. */
static __always_inline void unw_mark_python(struct unw_walk *w)
{
	struct cpu_stats *stats = stats_of_this_cpu();

	if (!stats)
		return;
	stats->python_unknown_version++;
	(void)py_fail(w, MARKER_python_unknown_version);
}

/* w->regs are those of the innermost user frame. */
static __always_inline void unw_walk_user_stack(struct unw_walk *w)
{
	w->memory.start = 0;
	w->memory.size = 0;
	w->is_return = 0;
	w->first_frame = w->stack.head.frame_count;
	w->depth = 0;
	w->python = UNW_PYTHON_UNKNOWN;
	w->is_marked = 0;
	w->is_unwalked = 0;
	w->spare.address = 0;
	w->spare.frame = 0;
	unw_begin_rows(&w->cache, &w->stack.head.process);
	for (u32 turn = 0; turn < UNW_MAX_TURNS; turn++)
		if (unwind_one_frame())
			break;
	if (w->outcome == UNW_STEPPED)
		w->outcome = UNW_TOO_DEEP;
	if (w->is_unwalked)
		unw_mark_python(w);
}

#endif
