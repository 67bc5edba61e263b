/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From a thread to its PyThreadState: the one of all interpreters' lists that has its id and is in
 * use.  What was found is remembered, and proven again at each sample.
 */
#ifndef WAGGLE_LIB_PYTHON_THREADS_BPF_H
#define WAGGLE_LIB_PYTHON_THREADS_BPF_H

#include "vmlinux/vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "bpf/lib/kcompat.bpf.h"
#include "bpf/lib/python_step.h"
#include "bpf/lib/python_walk.bpf.h"

enum {
	PY_THREAD_ENTRIES = 16384, /* a power of two */
	PY_SEARCH_TURNS = 512,	   /* thread states looked at in one sample; the next one goes on */
	PY_SHIM_TURNS = 320,	   /* frames of one, on the way to its shim */
	PY_LOOK_ON_TURNS = 32,	   /* thread states, once one is found, for another of the thread */
};

/* What an earlier walk found of a thread.  It is proven again in the process' own memory at each
 * sample, so CPUs may overwrite each other's.
 */
struct py_thread_entry {
	__u64 pid_tgid;
	__u64 state;   /* its PyThreadState; 0: where the search goes on */
	__u64 resume;  /* the thread state to look at next; 0: from the start */
	__u64 is_only; /* no other thread state has its id */
};

/* Hash of the thread's number -> what was found. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PY_THREAD_ENTRIES);
	__type(key, u32);
	__type(value, struct py_thread_entry);
} py_threads SEC(".maps");

/* Whether the thread state is the one that its thread works with now, as far as that is known. */
static __always_inline bool py_is_attached(struct py_walk *p, u64 state,
					   const struct py_thread *thread)
{
	u64 current;

	if (thread->is_attached)
		return true;
	return p->process.current_address &&
	       !py_read(&p->memory, p->process.current_address, &current) && current == state;
}

static __always_inline bool py_has_one_interpreter(struct py_walk *p)
{
	u64 interpreter;

	return !py_first_interpreter(&p->memory, &p->process, &interpreter) && interpreter &&
	       !py_next_interpreter(&p->memory, &p->layout, &interpreter) && !interpreter;
}

enum py_remembered {
	PY_REMEMBERED_NOT,
	PY_REMEMBERED_LIKELY, /* if no other thread state has its id */
	PY_REMEMBERED_SURE,
};

/*
 * Whether what is remembered of the thread still holds: a freed thread state keeps its id, and one
 * that is not attached may have got a brother.  enum py_remembered.
 */
__noinline int py_check_remembered(u64 state, u64 is_only)
{
	struct py_walk *p = py_walk_of_this_cpu();
	struct py_thread thread;

	if (!p || py_read_thread(&p->memory, &p->layout, state, &thread) ||
	    thread.id != p->search.id || !py_is_linked(&p->memory, &p->layout, state, &thread))
		return PY_REMEMBERED_NOT;
	if (py_is_attached(p, state, &thread))
		return PY_REMEMBERED_SURE;
	if (!py_has_one_interpreter(p))
		return PY_REMEMBERED_NOT;
	return is_only ? PY_REMEMBERED_SURE : PY_REMEMBERED_LIKELY;
}

static __always_inline void py_note_inside(struct py_search *search, u64 state, u64 at)
{
	if (at < search->low || at >= search->high || (search->inside && search->inside_at <= at))
		return;
	search->inside = state;
	search->inside_at = at;
}

/*
 * Of a thread state that may run another interpreter: where on the native stack its innermost
 * evaluation keeps what leads to its frames.  A cframe in 3.11 and 3.12, from then on a shim, which
 * is found a frame a turn.
 */
static __always_inline void py_look_inside(struct py_walk *p, u64 cframe, u64 frame)
{
	struct py_search *search = &p->search;

	if (cframe) {
		py_note_inside(search, search->state, cframe);
	} else if (p->layout.form == PY_FORM_SHIM_FRAMES) {
		search->candidate = search->state;
		search->candidate_frame = frame;
		search->candidate_turns = 0;
	}
}

static __always_inline void py_look_for_shim(struct py_walk *p)
{
	struct py_search *search = &p->search;
	u64 frame = search->candidate_frame;
	enum py_outcome outcome;
	struct py_frame found;

	outcome = py_step(&p->memory, &p->layout, frame, &found);
	search->candidate_frame =
		outcome == PY_CALL && ++search->candidate_turns < PY_SHIM_TURNS ? found.next : 0;
	if (outcome == PY_SHIM)
		py_note_inside(search, search->candidate, frame);
}

/* Looks at one thread state, or goes on to the next interpreter.  Non-zero: the end. */
__noinline int py_search_turn(void)
{
	struct py_walk *p = py_walk_of_this_cpu();
	struct py_search *search;
	struct py_thread thread;
	u64 cframe, frame;

	if (!p)
		return 1;
	search = &p->search;
	if (search->candidate_frame) {
		py_look_for_shim(p);
		return 0;
	}
	if (!search->state) {
		if (!search->interpreter ||
		    py_next_interpreter(&p->memory, &p->layout, &search->interpreter) ||
		    !search->interpreter)
			return 1;
		return py_first_thread(&p->memory, &p->layout, search->interpreter, &search->state);
	}
	if (py_read_thread(&p->memory, &p->layout, search->state, &thread))
		return 1;
	search->interpreter = thread.interpreter;
	if (thread.id == search->id && search->state != search->except) {
		search->found_count++;
		if (!search->is_attached) {
			search->found = search->state;
			search->is_attached = py_is_attached(p, search->state, &thread);
		}
		if (!py_innermost_frame(&p->memory, &p->layout, search->state, &cframe, &frame) &&
		    frame) {
			search->with_frames++;
			search->with_frames_state = search->state;
			if (search->high)
				py_look_inside(p, cframe, frame);
		}
		if (search->is_attached && !search->except)
			return 1;
	}
	search->state = thread.next;
	return 0;
}

/* The thread's own state, out of all interpreters; 0: none, or several and none that is in use. */
static __always_inline u64 py_choose_found(const struct py_search *search)
{
	if (search->is_attached || search->found_count == 1)
		return search->found;
	return search->with_frames == 1 ? search->with_frames_state : 0;
}

/* From the first thread state of the first interpreter on.  False: there is none. */
static __always_inline bool py_restart_search(struct py_walk *p)
{
	struct py_search *search = &p->search;

	return !py_first_interpreter(&p->memory, &p->process, &search->interpreter) &&
	       search->interpreter &&
	       !py_first_thread(&p->memory, &p->layout, search->interpreter, &search->state);
}

/* Up to the end, or to the one in use.  0: it was cut short. */
__noinline int py_search(u32 turns)
{
	for (u32 turn = 0; turn < PY_SEARCH_TURNS && turn < turns; turn++)
		if (py_search_turn())
			return 1;
	return 0;
}

static __always_inline void py_begin_search(struct py_search *search, u64 except)
{
	search->found = 0;
	search->found_count = 0;
	search->with_frames = 0;
	search->is_attached = 0;
	search->except = except;
	search->low = 0;
	search->high = 0;
	search->candidate_frame = 0;
	search->inside = 0;
	search->inside_at = 0;
}

/* Goes on where an earlier search was cut short, if that is still in the list.  False: there is
 * no list.
 */
static __always_inline bool py_resume_search(struct py_walk *p, u64 resume)
{
	struct py_thread thread;

	p->search.state = resume;
	if (resume && !py_read_thread(&p->memory, &p->layout, resume, &thread) &&
	    py_is_linked(&p->memory, &p->layout, resume, &thread))
		return true;
	p->search.state = 0;
	return py_restart_search(p);
}

static __always_inline u64 py_search_thread(struct py_walk *p, struct py_thread_entry *entry)
{
	struct py_search *search = &p->search;
	bool is_whole;
	u64 state;

	py_begin_search(search, 0);
	if (!py_resume_search(p, entry->resume))
		return 0;
	is_whole = py_search(PY_SEARCH_TURNS);
	state = py_choose_found(search);
	entry->state = state;
	entry->resume = is_whole || search->is_attached ? 0 : search->state;
	entry->is_only = is_whole && search->found_count == 1 && !search->is_attached;
	return state;
}

/*
 * One is found that its thread does not work with now, in a list of more than PY_SEARCH_TURNS: the
 * rest is looked through by the way, a little in each sample, and not all of it in each.
 */
static __always_inline u64 py_look_on(struct py_walk *p, struct py_thread_entry *entry)
{
	struct py_search *search = &p->search;
	bool is_whole;

	py_begin_search(search, entry->state);
	if (!py_resume_search(p, entry->resume))
		return 0;
	is_whole = py_search(PY_LOOK_ON_TURNS);
	if (search->found_count) {
		entry->resume = 0; /* the next search decides between them */
		return search->is_attached ? search->found : entry->state;
	}
	entry->resume = is_whole ? 0 : search->state;
	entry->is_only = is_whole;
	return entry->state;
}

static __always_inline u64 py_find_thread(struct py_walk *p)
{
	u64 pid_tgid = bpf_get_current_pid_tgid();
	u32 at = (u32)pid_tgid & (PY_THREAD_ENTRIES - 1);
	struct py_thread_entry *entry = bpf_map_lookup_elem(&py_threads, &at);
	int remembered = PY_REMEMBERED_NOT;

	if (!entry)
		return 0;
	p->search.id = kc_thread_pointer() + p->process.thread_id_bias;
	if (entry->pid_tgid != pid_tgid) {
		entry->pid_tgid = pid_tgid;
		entry->state = 0;
		entry->resume = 0;
	}
	if (entry->state) {
		remembered = py_check_remembered(entry->state, entry->is_only);
		if (remembered == PY_REMEMBERED_SURE)
			return entry->state;
		if (remembered == PY_REMEMBERED_LIKELY && entry->resume)
			return py_look_on(p, entry);
		entry->resume = 0;
	}
	return py_search_thread(p, entry);
}

/*
 * All frames of the thread state are recorded, and its native stack has one more evaluation,
 * between `low` and `high`: that of another interpreter, which runs the first one.  Its frames, or
 * 0: it is not known which.  The one that keeps something there is known to be it, the lowest if
 * the native frame is not known and `high` is none; before 3.11 it is the only other one with
 * frames.
 */
__noinline u64 py_find_outer(u64 low, u64 high)
{
	struct py_walk *p = py_walk_of_this_cpu();
	u64 cframe, frame, state;

	if (!p)
		return 0;
	py_begin_search(&p->search, p->state);
	p->search.low = low > p->outer_at ? low : p->outer_at + 1;
	p->search.high = high;
	state = 0;
	if (py_restart_search(p) && py_search(PY_SEARCH_TURNS)) {
		state = p->search.inside;
		if (!state && !p->is_outer && p->search.with_frames == 1)
			state = p->search.with_frames_state;
	}
	p->state = p->search.inside; /* one that is only likely is the last */
	p->outer_at = p->search.inside_at;
	p->is_outer = 1;
	if (!state || py_innermost_frame(&p->memory, &p->layout, state, &cframe, &frame))
		return 0;
	return frame;
}

#endif
