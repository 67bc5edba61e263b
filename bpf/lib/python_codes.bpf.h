/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From a code object to the id of its content, and its names to user space the first time it is
 * seen: before the id is used, so they outlive the process.  Memory that another code object uses
 * again gets another id.
 */
#ifndef WAGGLE_LIB_PYTHON_CODES_BPF_H
#define WAGGLE_LIB_PYTHON_CODES_BPF_H

#include "vmlinux/vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "bpf/abi/python.h"
#include "bpf/lib/python_step.h"
#include "bpf/lib/python_walk.bpf.h"
#include "bpf/lib/stats.bpf.h"
#include "bpf/lib/walk.bpf.h"

enum {
	PY_CODE_ENTRY_BITS = 10,
	PY_CODE_ENTRIES = 1 << PY_CODE_ENTRY_BITS,
	PY_MAX_CODES = 32768,
	PY_NAMES_RING_BYTES = 512 * 1024,
};

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

#endif
