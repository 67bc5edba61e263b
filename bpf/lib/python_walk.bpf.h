/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the Python walker share: the process and its layout, the walk in progress, and
 * the memory of the process, read by windows.  Not for what is looked for in it: python.bpf.h,
 * python_threads.bpf.h, python_codes.bpf.h.
 */
#ifndef WAGGLE_LIB_PYTHON_WALK_BPF_H
#define WAGGLE_LIB_PYTHON_WALK_BPF_H

#include "vmlinux/vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "bpf/abi/python.h"
#include "bpf/lib/mappings.bpf.h"
#include "bpf/lib/python_step.h"
#include "bpf/lib/walk.bpf.h"

enum {
	PY_WINDOW_BYTES = 1024,
	PY_WINDOW_WORDS = PY_WINDOW_BYTES / 8,
	PY_PAGE_BYTES = 4096,
};

/* process_id -> its Python.  User space writes. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PY_MAX_PROCESSES);
	__type(key, struct process_id);
	__type(value, struct py_process);
} py_processes SEC(".maps");

/* Number -> where the fields are.  User space writes each once, before it is named. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PY_MAX_LAYOUTS);
	__type(key, u32);
	__type(value, struct py_layout);
} py_layouts SEC(".maps");

struct py_window_copy {
	__u64 start;  /* of the words */
	__u64 size;   /* in bytes */
	__u64 opened; /* the object, from start on */
	__u64 words[PY_WINDOW_WORDS];
};

struct py_memory {
	struct py_window_copy windows[2];
	__u64 reaches_back; /* frames lie side by side, the caller's below */
};

struct py_search {
	__u64 id; /* of the thread that is looked for */
	__u64 interpreter;
	__u64 state;
	__u64 found;	   /* one with the id: the attached one, or else the last */
	__u64 found_count; /* with the id */
	__u64 except;	   /* not this one: its frames are recorded; 0: any */
	__u64 with_frames; /* of them, those that have frames */
	__u64 with_frames_state;
	__u64 is_attached; /* found is */
	/* Where on the native stack the innermost evaluation of one must be; 0: not asked. */
	__u64 low, high;
	__u64 candidate; /* of which the shim is looked for now, from candidate_frame on */
	__u64 candidate_frame;
	__u64 candidate_turns;
	__u64 inside; /* the one that is there, and the lowest of them: */
	__u64 inside_at;
};

struct py_walk {
	struct py_process process; /* a copy, as is the layout */
	struct py_layout layout;
	__u64 version; /* proc_version at that time */
	__u64 process_hash;
	__u64 frame;  /* the innermost that is not recorded yet; 0: none is left */
	__u64 state;  /* whose frames these are; 0: no other is looked for any more */
	__u64 cframe; /* of the innermost evaluation until that was met, where there is one */
	/* The run in progress. */
	__u64 low, high; /* its native frame: sp and CFA */
	__u64 first;	 /* frame, where it began */
	__u64 hash;	 /* w->hash there */
	__u32 frame_count;
	__u32 code_count; /* ids given on this CPU */
	__u32 is_rest;	  /* the native frames that go with the rest could not be walked */
	__u32 is_outer;	  /* state is not the one that the thread works with */
	__u64 outer_at;	  /* but one whose innermost evaluation is there; 0: not known */
	struct py_search search;
	struct py_code code; /* in question */
	struct py_text text; /* that is copied */
	struct py_memory memory;
	struct py_names names;
};

/* 0 -> the Python side of the walk in progress on this CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct py_walk);
} py_walks SEC(".maps");

static __always_inline struct py_walk *py_walk_of_this_cpu(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&py_walks, &zero);
}

/* A window begins in the page of what is wanted: a read that faults costs more than 20 frames. */
static __noinline int py_fill_window(struct py_window_copy *window, u64 address, u32 size,
				     u64 reaches_back)
{
	u64 end = address + size, start = address, page = address & ~(u64)(PY_PAGE_BYTES - 1);
	u64 bytes;

	if (reaches_back) {
		start = end - PY_WINDOW_BYTES;
		if (start < page)
			start = page;
	}
	bytes = end - start;
	barrier_var(bytes);
	window->size = 0;
	if (bytes > PY_WINDOW_BYTES)
		return -1;
	if (bpf_probe_read_user(window->words, bytes, (void *)start))
		return -1;
	window->start = start;
	window->size = bytes;
	window->opened = address - start;
	return 0;
}

static inline int py_open(struct py_memory *memory, __u32 window, __u64 address, __u32 size)
{
	struct py_window_copy *copy = &memory->windows[window];
	u64 from_start = address - copy->start;

	if (address % 8 != 0 || !py_is_address(address))
		return -1;
	if (from_start < copy->size && from_start + size <= copy->size) {
		copy->opened = from_start;
		return 0;
	}
	return py_fill_window(copy, address, size,
			      window == PY_WINDOW_FRAMES ? memory->reaches_back : 0);
}

static inline __u64 py_word(struct py_memory *memory, __u32 window, __u32 offset)
{
	struct py_window_copy *copy = &memory->windows[window];

	return copy->words[(copy->opened + offset) / 8 & (PY_WINDOW_WORDS - 1)];
}

static inline int py_read(struct py_memory *memory, __u64 address, __u64 *word)
{
	(void)memory;
	return bpf_probe_read_user(word, sizeof(*word), (void *)address) != 0;
}

/* Forgets what was read: the process has run on since. */
static __always_inline void py_forget_memory(struct py_memory *memory)
{
	memory->windows[PY_WINDOW_FRAMES].size = 0;
	memory->windows[PY_WINDOW_OBJECT].size = 0;
}

static __always_inline bool py_load_process(struct py_walk *p, const struct process_id *id)
{
	u64 version = proc_version;
	struct py_process *process;
	struct py_layout *layout;
	u32 number;

	if (p->version == version && maps_is_same_process(&p->process.process, id))
		return true;
	p->version = 0;
	process = bpf_map_lookup_elem(&py_processes, id);
	if (!process)
		return false;
	p->process = *process;
	barrier();
	/* The entry may have been reused for another process while it was copied. */
	if (!maps_is_same_process(&p->process.process, id) ||
	    !maps_is_same_process(&process->process, id))
		return false;
	number = p->process.layout;
	if (number != PY_NO_LAYOUT) {
		layout = bpf_map_lookup_elem(&py_layouts, &number);
		if (!layout)
			return false;
		p->layout = *layout;
	}
	p->memory.reaches_back = p->layout.form != PY_FORM_OBJECTS;
	p->process_hash = unw_hash(unw_hash(id->start_boottime_ns, id->tgid), id->exec_id);
	p->version = version;
	return true;
}

#endif
