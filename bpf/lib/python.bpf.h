/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Python frames in the place of the evaluation loop's native frames.  The loop of unwind.bpf.h
 * calls py_begin() at the first such frame of a walk, py_begin_run() at each, and then
 * py_walk_frame() until the run has ended: a run is what one native frame evaluates.
 *
 * A frame is the id of a code object's content: of all that py_code has, and of the process.  Its
 * names go to user space the first time it is seen, before the id is used, so they outlive the
 * process; memory that another code object uses again gets another id.
 */
#ifndef WAGGLE_LIB_PYTHON_BPF_H
#define WAGGLE_LIB_PYTHON_BPF_H

#include "vmlinux/vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "bpf/abi/python.h"
#include "bpf/lib/kcompat.bpf.h"
#include "bpf/lib/mappings.bpf.h"
#include "bpf/lib/python_step.h"
#include "bpf/lib/stats.bpf.h"
#include "bpf/lib/walk.bpf.h"

enum {
	PY_WINDOW_BYTES = 1024,
	PY_WINDOW_WORDS = PY_WINDOW_BYTES / 8,
	PY_PAGE_BYTES = 4096,
	PY_THREAD_ENTRIES = 16384, /* a power of two */
	PY_CODE_ENTRY_BITS = 10,
	PY_CODE_ENTRIES = 1 << PY_CODE_ENTRY_BITS,
	PY_MAX_CODES = 32768,
	PY_NAMES_RING_BYTES = 512 * 1024,
	PY_SEARCH_TURNS = 512, /* thread states looked at in one sample; the next one goes on */
};

/* Whether the evaluation loop's own frames are kept, below those that it runs. */
const volatile __u32 py_keeps_loops;

/* Whether frames tell where in their function they are. */
const volatile __u32 py_has_lines;

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

/* Hash of a code object's content -> its id. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PY_MAX_CODES);
	__type(key, u64);
	__type(value, u64);
} py_codes SEC(".maps");

/* Of struct py_names. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, PY_NAMES_RING_BYTES);
} py_names SEC(".maps");

struct py_code_entry {
	__u64 hash; /* 0: free */
	__u64 id;
};

/* A part of py_codes, without its bucket locks and list of recent use. */
struct py_code_cache {
	struct py_code_entry entries[PY_CODE_ENTRIES];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct py_code_cache);
} py_code_caches SEC(".maps");

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
	__u64 is_partial;  /* not from the start on */
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
	__u32 pad_;
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

static __always_inline u32 py_fail(struct unw_walk *w, enum marker marker)
{
	unw_push(w, frame_make(FRAME_MARKER, marker));
	w->is_python_lost = 1;
	return UNW_PYTHON_NONE;
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

/*
 * Whether what is remembered of the thread still holds: a freed thread state keeps its id, and one
 * that is not attached may have got a brother.
 */
__noinline int py_check_remembered(u64 state, u64 is_only)
{
	struct py_walk *p = py_walk_of_this_cpu();
	struct py_thread thread;

	if (!p || py_read_thread(&p->memory, &p->layout, state, &thread) ||
	    thread.id != p->search.id || !py_is_linked(&p->memory, &p->layout, state, &thread))
		return 0;
	return py_is_attached(p, state, &thread) || (is_only && py_has_one_interpreter(p));
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
__noinline int py_search(void)
{
	for (u32 turn = 0; turn < PY_SEARCH_TURNS; turn++)
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
}

static __always_inline u64 py_search_thread(struct py_walk *p, struct py_thread_entry *entry)
{
	struct py_search *search = &p->search;
	struct py_thread thread;
	bool is_whole;
	u64 state;

	py_begin_search(search, 0);
	search->state = entry->resume;
	search->is_partial = entry->resume != 0;
	/* A search that was cut short goes on where it was, if that is still in the list. */
	if (search->state && (py_read_thread(&p->memory, &p->layout, search->state, &thread) ||
			      !py_is_linked(&p->memory, &p->layout, search->state, &thread))) {
		search->state = 0;
		search->is_partial = 0;
	}
	if (!search->state && !py_restart_search(p))
		return 0;
	is_whole = py_search();
	state = py_choose_found(search);
	entry->state = state;
	entry->resume = is_whole || state ? 0 : search->state;
	entry->is_only =
		is_whole && search->found_count == 1 && !search->is_partial && !search->is_attached;
	return state;
}

static __always_inline u64 py_find_thread(struct py_walk *p)
{
	u64 pid_tgid = bpf_get_current_pid_tgid();
	u32 at = (u32)pid_tgid & (PY_THREAD_ENTRIES - 1);
	struct py_thread_entry *entry = bpf_map_lookup_elem(&py_threads, &at);

	if (!entry)
		return 0;
	p->search.id = kc_thread_pointer() + p->process.thread_id_bias;
	if (entry->pid_tgid != pid_tgid) {
		entry->pid_tgid = pid_tgid;
		entry->state = 0;
		entry->resume = 0;
	}
	if (entry->state && py_check_remembered(entry->state, entry->is_only))
		return entry->state;
	return py_search_thread(p, entry);
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
	return UNW_PYTHON_BETWEEN;
}

/*
 * All frames of the thread state are recorded, and its native stack has one more evaluation: that
 * of another interpreter, which runs the first one.  Its frames, or 0: there is none such, or more
 * than one.
 */
__noinline u64 py_find_outer(void)
{
	struct py_walk *p = py_walk_of_this_cpu();
	u64 cframe, frame;

	if (!p)
		return 0;
	py_begin_search(&p->search, p->state);
	p->state = 0; /* at most one */
	if (!py_restart_search(p) || !py_search() || p->search.with_frames != 1)
		return 0;
	if (py_innermost_frame(&p->memory, &p->layout, p->search.with_frames_state, &cframe,
			       &frame))
		return 0;
	return frame;
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
		p->frame = py_find_outer();
	p->low = low;
	p->high = high;
	p->first = p->frame;
	p->hash = w->hash;
	p->frame_count = w->stack.head.frame_count;
	return UNW_PYTHON_RUN;
}

/* Puts `limit` bytes at most of a string's characters at text[at].  The bytes, or -1. */
static __always_inline s64 py_copy_text(struct py_walk *p, struct py_text_part *part, u64 string,
					u32 at, u32 limit, bool is_end_wanted)
{
	struct py_text *text = &p->text;
	u64 size;

	if (py_read_text(&p->memory, &p->layout, string, text) || text->length > PY_MAX_TEXT_LENGTH)
		return -1;
	size = text->length * text->width;
	part->width = text->width;
	part->is_bytes = text->is_bytes;
	part->is_cut = size > limit;
	if (size > limit) {
		if (is_end_wanted)
			text->data += size - limit;
		size = limit;
	}
	barrier_var(size);
	if (size > limit)
		return -1;
	at &= PY_NAMES_BYTES - 1;
	if (bpf_probe_read_user(p->names.text + at, size, (void *)text->data))
		return -1;
	part->size = size;
	return size;
}

/* Tells user space what the code object p->code is called.  False: it could not be told. */
static __always_inline bool py_send_names(struct py_walk *p, u64 id, u64 frame, u64 code)
{
	struct py_names *names = &p->names;
	s64 file_size, name_size, class_size = 0;
	u64 class_name, at, flags;

	file_size = py_copy_text(p, &names->file, p->code.filename, 0, PY_FILE_BYTES, true);
	if (file_size < 0)
		return false;
	name_size = py_copy_text(p, &names->name, p->code.name, file_size, PY_NAME_BYTES, false);
	if (name_size < 0)
		return false;
	at = file_size + name_size;
	class_name = py_find_class(&p->memory, &p->layout, frame, code);
	if (class_name) {
		at &= PY_NAMES_BYTES - 1;
		class_size = bpf_probe_read_user_str(names->text + at, PY_CLASS_BYTES,
						     (void *)class_name);
		class_size = class_size > 0 ? class_size - 1 : 0; /* without its end */
	}
	names->class_size = class_size;
	names->code_id = id;
	names->code = code;
	names->process = p->process.process;
	names->first_line = p->code.first_line;
	at += class_size;
	if (at > PY_NAMES_BYTES)
		return false;
	flags = bpf_ringbuf_query(&py_names, BPF_RB_AVAIL_DATA) > PY_NAMES_RING_BYTES / 2
			? BPF_RB_FORCE_WAKEUP
			: BPF_RB_NO_WAKEUP;
	return bpf_ringbuf_output(&py_names, names, PY_NAMES_HEAD_BYTES + at, flags) == 0;
}

/* An id that no other code object ever had; 0: they are used up. */
static __always_inline u64 py_new_id(struct py_walk *p)
{
	u64 cpu = bpf_get_smp_processor_id();

	if (cpu > PY_MAX_CPU || p->code_count >= PY_MAX_CODE_COUNT)
		return 0;
	return cpu << PY_CODE_COUNT_BITS | ++p->code_count;
}

/* The id of p->code; PY_NAMELESS where its names cannot be told now. */
__noinline u64 py_find_code(u64 hash, u64 frame, u64 code)
{
	struct cpu_stats *stats = stats_of_this_cpu();
	struct py_walk *p = py_walk_of_this_cpu();
	u64 *known, id;

	if (!p || !stats)
		return PY_NAMELESS;
	known = bpf_map_lookup_elem(&py_codes, &hash);
	if (known)
		return *known;
	id = py_new_id(p);
	if (!id || !py_send_names(p, id, frame, code)) {
		stats->python_names_lost++;
		return PY_NAMELESS;
	}
	stats->python_names++;
	/* Not remembered: the next CPU that meets it tells its names again, under another id. */
	(void)bpf_map_update_elem(&py_codes, &hash, &id, BPF_ANY);
	return id;
}

static __always_inline u64 py_hash_code(const struct py_walk *p, u64 address)
{
	u64 hash = p->process_hash;

	hash = unw_hash(hash, address);
	hash = unw_hash(hash, p->code.filename);
	hash = unw_hash(hash, p->code.name);
	hash = unw_hash(hash, p->code.unique);
	return unw_hash(hash, p->code.first_line) | 1; /* 0 is a free entry */
}

/* The id of a frame's code object; 0: there is none. */
static __always_inline u64 py_code_id(struct py_walk *p, u64 frame, u64 address)
{
	u32 zero = 0;
	struct py_code_cache *cache = bpf_map_lookup_elem(&py_code_caches, &zero);
	struct py_code_entry *entry;
	u64 hash, id;

	if (!cache || py_read_code(&p->memory, &p->layout, address, &p->code) ||
	    !py_is_code(&p->process, &p->code))
		return 0;
	hash = py_hash_code(p, address);
	entry = &cache->entries[hash >> (64 - PY_CODE_ENTRY_BITS)];
	if (entry->hash == hash)
		return entry->id;
	id = py_find_code(hash, frame, address);
	if (id != PY_NAMELESS) {
		entry->hash = hash;
		entry->id = id;
	}
	return id;
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
			p->frame = py_find_outer();
		return p->is_rest && p->frame ? UNW_PYTHON_RUN : UNW_PYTHON_BETWEEN;
	}
	if (outcome == PY_SHIM) {
		if (py_is_last(p, &found)) {
			p->frame = p->state ? py_find_outer() : 0;
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
			code = UNW_CODE_PYTHON_LOOP;
	if (pc >= process->entry.start && pc < process->entry.end)
		code = UNW_CODE_PYTHON_ENTRY;
	return code;
}

#endif
