/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Python frames in the place of the evaluation loop's native frames.  The loop of unwind.bpf.h
 * calls py_begin() at the first such frame of a walk, py_begin_run() at each, and then
 * py_walk_frame() until the run has ended: a run is what one native frame evaluates.  A frame is
 * the id of a code object (python_codes.bpf.h).
 */
#ifndef WAGGLE_LIB_PYTHON_BPF_H
#define WAGGLE_LIB_PYTHON_BPF_H

#include "vmlinux/vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "bpf/abi/python.h"
#include "bpf/lib/python_codes.bpf.h"
#include "bpf/lib/python_step.h"
#include "bpf/lib/python_threads.bpf.h"
#include "bpf/lib/python_walk.bpf.h"
#include "bpf/lib/stats.bpf.h"
#include "bpf/lib/walk.bpf.h"

/* Whether the evaluation loop's own frames are kept, below those that it runs. */
const volatile __u32 py_keeps_loops;

/* Whether frames tell where in their function they are. */
const volatile __u32 py_has_lines;

static __always_inline u32 py_fail(struct unw_walk *w, enum marker marker)
{
	unw_push(w, frame_make(FRAME_MARKER, marker));
	w->is_python_lost = 1;
	return UNW_PYTHON_NONE;
}

/*
 * At the first frame of an evaluation loop in a walk: finds the thread's innermost Python frame.
 * Where it is not known whether the thread runs Python at all, the lack of a state is no loss.
 * enum unw_python.
 */
__noinline u32 py_begin(u32 is_loss)
{
	struct cpu_stats *stats = stats_of_this_cpu();
	struct unw_walk *w = unw_walk_of_this_cpu();
	struct py_walk *p = py_walk_of_this_cpu();
	u64 state;

	if (!w || !p || !stats || !py_load_process(p, &w->stack.head.process))
		return UNW_PYTHON_NONE; /* forgotten meanwhile: the process has ended */
	if (p->process.layout == PY_NO_LAYOUT) {
		if (!p->process.loop_count)
			return UNW_PYTHON_NONE; /* unw_mark_python() tells */
		stats->python_unknown_version++;
		return py_fail(w, MARKER_python_unknown_version);
	}
	py_forget_memory(&p->memory);
	state = py_find_thread(p);
	if (!state && !is_loss)
		return UNW_PYTHON_NONE;
	if (!state) {
		stats->python_no_thread_state++;
		return py_fail(w, MARKER_python_no_thread_state);
	}
	if (py_innermost_frame(&p->memory, &p->layout, state, &p->cframe, &p->frame)) {
		stats->python_unreadable_memory++;
		return py_fail(w, MARKER_python_unreadable_memory);
	}
	p->state = state;
	p->is_rest = 0;
	p->is_outer = 0;
	p->outer_at = 0;
	return UNW_PYTHON_BETWEEN;
}

/*
 * At a native frame of the loop, from `low` (sp) to `high` (CFA; all ones: not known).
 * UNW_PYTHON_BETWEEN: it evaluates nothing yet, or no longer.
 */
__noinline u32 py_begin_run(u64 low, u64 high)
{
	struct unw_walk *w = unw_walk_of_this_cpu();
	struct py_walk *p = py_walk_of_this_cpu();

	if (!w || !p)
		return UNW_PYTHON_NONE;
	if (p->cframe >= high)
		return UNW_PYTHON_BETWEEN; /* that of the evaluation which called this one */
	p->cframe = 0;
	if (!p->frame && p->state)
		p->frame = py_find_outer(low, high);
	p->low = low;
	p->high = high;
	p->first = p->frame;
	p->hash = w->hash;
	p->frame_count = w->stack.head.frame_count;
	return UNW_PYTHON_RUN;
}

/*
 * The run was of another evaluation: this one's native frame has no Python frame yet, or no longer.
 */
static __always_inline void py_undo_run(struct unw_walk *w, struct py_walk *p)
{
	w->stack.head.frame_count = p->frame_count;
	w->hash = p->hash;
	p->frame = p->first;
}

/* From 3.15 on: the frame in the thread state, where all others begin.  It is on no native stack.
 */
static __always_inline bool py_is_last(const struct py_walk *p, const struct py_frame *shim)
{
	return p->frame == p->first && !shim->next && (p->frame < p->low || p->frame >= p->high);
}

/*
 * From 3.11 on a run ends where C code has called it.  If its frames end before, it is a generator
 * that is being taken out of their list: for some instructions it has no caller.
 */
static __always_inline bool py_is_cut(const struct unw_walk *w, const struct py_walk *p)
{
	return p->layout.form != PY_FORM_OBJECTS && !p->is_rest &&
	       w->stack.head.frame_count > p->frame_count;
}

/* Records one Python frame of the run, or ends it.  enum unw_python. */
__noinline u32 py_walk_frame(void)
{
	struct cpu_stats *stats = stats_of_this_cpu();
	struct unw_walk *w = unw_walk_of_this_cpu();
	struct py_walk *p = py_walk_of_this_cpu();
	enum py_outcome outcome;
	struct py_frame found;
	u64 id, position = 0;

	if (!w || !p || !stats)
		return UNW_PYTHON_NONE;
	outcome = py_step(&p->memory, &p->layout, p->frame, &found);
	if (outcome == PY_END && !py_is_cut(w, p)) {
		if (p->is_rest && p->state)
			p->frame = py_find_outer(0, ~0ULL);
		return p->is_rest && p->frame ? UNW_PYTHON_RUN : UNW_PYTHON_BETWEEN;
	}
	if (outcome == PY_SHIM) {
		if (py_is_last(p, &found)) {
			p->frame = p->state ? py_find_outer(p->is_rest ? 0 : p->low, p->high) : 0;
			return p->frame ? UNW_PYTHON_RUN : UNW_PYTHON_BETWEEN;
		}
		if (p->frame >= p->high)
			py_undo_run(w, p);
		else
			p->frame = found.next;
		return p->is_rest ? UNW_PYTHON_RUN : UNW_PYTHON_BETWEEN;
	}
	id = outcome == PY_UNREADABLE || outcome == PY_END ? 0
							   : py_code_id(p, p->frame, found.code);
	if (!id) {
		stats->python_unreadable_memory++;
		return py_fail(w, MARKER_python_unreadable_memory);
	}
	if (py_has_lines)
		position = py_position(&p->memory, &p->layout, found.code, &found) + 1;
	if (!unw_push_user(w, frame_make_python(id, position))) {
		w->outcome = UNW_TOO_DEEP;
		return UNW_PYTHON_BETWEEN;
	}
	p->frame = found.next;
	return outcome == PY_CALL || p->is_rest ? UNW_PYTHON_RUN : UNW_PYTHON_BETWEEN;
}

/*
 * The native walk has ended too early.  Behind the marker that says so stand all Python frames that
 * are left, in one run: what Python has called is known to be above it, also without the native
 * frames in between.  enum unw_python.
 */
__noinline u32 py_begin_rest(void)
{
	struct unw_walk *w = unw_walk_of_this_cpu();
	struct py_walk *p = py_walk_of_this_cpu();

	if (!w || !p || !w->cache.has_python || w->python == UNW_PYTHON_NONE)
		return UNW_PYTHON_NONE;
	if (w->python == UNW_PYTHON_UNKNOWN && py_begin(false) != UNW_PYTHON_BETWEEN)
		return UNW_PYTHON_NONE;
	unw_push(w, frame_make(FRAME_MARKER, w->outcome == UNW_UNREADABLE
						     ? MARKER_truncated_unreadable_memory
						     : MARKER_truncated_no_unwind_info));
	w->is_marked = 1;
	p->is_rest = 1;
	p->high = ~0ULL;
	return UNW_PYTHON_RUN;
}

/* What an address that was not met before is to Python: enum unw_code. */
__noinline u32 py_code_at(u64 pc)
{
	struct unw_walk *w = unw_walk_of_this_cpu();
	struct py_process *process;
	u32 code = UNW_CODE_NATIVE;

	if (!w)
		return code;
	process = bpf_map_lookup_elem(&py_processes, &w->stack.head.process);
	if (!process)
		return code;
	for (u32 i = 0; i < PY_MAX_LOOPS; i++)
		if (pc >= process->loops[i].start && pc < process->loops[i].end)
			code = process->entry.end ? UNW_CODE_PYTHON_PART : UNW_CODE_PYTHON_LOOP;
	if (pc >= process->entry.start && pc < process->entry.end)
		code = process->loop_count ? UNW_CODE_PYTHON_LOOP : UNW_CODE_PYTHON_UNWALKED;
	return code;
}

#endif
