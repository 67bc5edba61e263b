/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The pure core of the Python walker: from a thread to its thread state, from a thread state to its
 * innermost frame, from a frame to the one that called it, and from a code object to what names it.
 * No helper, no map: it compiles for BPF and natively (tests/unit/bpf, tests/e2e/python, and the
 * validation of a layout in userspace/runtimes/python).  The includer supplies the memory:
 *
 *	struct py_memory;
 *	int py_open(struct py_memory *memory, __u32 window, __u64 address, __u32 size);
 *	__u64 py_word(struct py_memory *memory, __u32 window, __u32 offset);
 *	int py_read(struct py_memory *memory, __u64 address, __u64 *word);
 *
 * py_open() makes [address, address + size) of the process ready for py_word() on that window and
 * returns 0, or non-zero when it cannot; size is at most PY_OBJECT_BYTES and a multiple of 8.  A
 * window may keep more than it was asked for: frames lie side by side.  py_word() gives the aligned
 * word at that multiple of 8 from the opened address.  py_read() reads one word from anywhere,
 *aligned or not.  Two windows, so that the object that a frame names does not push out the next
 *frame.
 *
 * One native frame of the evaluation loop, `frame` being where the walk stands:
 *
 *	do {
 *		outcome = py_step(memory, layout, frame, &found)
 *		if outcome has a frame: emit found.code, found.instruction
 *		frame = found.next
 *	} while (outcome == PY_CALL)
 *
 * and native frames go on at PY_ENTRY and PY_SHIM; the next evaluation loop on the native stack
 * goes on with `frame`.
 *
 * In its first and last instructions an evaluation has no frame in the list, and would take those
 * of the evaluation that called it.  From 3.12 on a shim tells whose it is: it lies in the native
 * frame of its evaluation, between that frame's sp and its CFA.  (From 3.15 on a last one lies in
 *the thread state, below all.)  In 3.11 and 3.12 the thread state leads to a cframe there that is
 *not filled yet for eight instructions: the innermost frame may be unreadable then, or one that was
 *there before.
 */
#ifndef WAGGLE_LIB_PYTHON_STEP_H
#define WAGGLE_LIB_PYTHON_STEP_H

#include "bpf/abi/python.h"

enum py_window {
	PY_WINDOW_FRAMES,
	PY_WINDOW_OBJECT, /* thread state, code object */
};

enum {
	PY_OBJECT_BYTES = 256, /* the most that py_open() is asked for */
	PY_MAX_CELLS = 8,      /* looked at for `self`; it comes first or nearly so */
	PY_LOWEST_ADDRESS = 0x1000,
	PY_ADDRESS_BITS = 56,
};

/* _PyStackRef, from 3.14 on: objects are aligned to 16 bytes. */
#define PY_POINTER_TAGS 7ULL

struct py_memory;

static inline int py_open(struct py_memory *memory, __u32 window, __u64 address, __u32 size);
static inline __u64 py_word(struct py_memory *memory, __u32 window, __u32 offset);
static inline int py_read(struct py_memory *memory, __u64 address, __u64 *word);

enum py_outcome {
	PY_CALL,       /* a frame; its caller runs in the same evaluation loop */
	PY_ENTRY,      /* a frame, and the last of this evaluation loop: native frames come next */
	PY_SHIM,       /* no frame: native frames come next */
	PY_END,	       /* there was none */
	PY_UNREADABLE, /* its memory cannot be read, or is no frame */
};

struct py_frame {
	__u64 code;	   /* address of the code object */
	__u64 instruction; /* as the frame has it: see py_position() */
	__u64 next;	   /* its caller's frame; 0: none */
	__u64 bytecode;	   /* which copy of the bytecode runs; 0: the code object's own */
};

static inline int py_is_address(__u64 address)
{
	return address >= PY_LOWEST_ADDRESS && address >> PY_ADDRESS_BITS == 0;
}

/* One to four bytes that do not cross a word. */
static inline __u64 py_field(struct py_memory *memory, __u32 window, __u32 offset, __u64 mask)
{
	return py_word(memory, window, offset & ~7U) >> (offset & 7) * 8 & mask;
}

static inline __u64 py_byte(struct py_memory *memory, __u32 window, __u32 offset)
{
	return py_field(memory, window, offset, 0xff);
}

static inline __u64 py_half(struct py_memory *memory, __u32 window, __u32 offset)
{
	return py_field(memory, window, offset, 0xffffffff);
}

static inline enum py_outcome py_step(struct py_memory *memory, const struct py_layout *layout,
				      __u64 frame, struct py_frame *found)
{
	__u64 is_marked;

	found->code = 0;
	found->next = 0;
	if (!frame)
		return PY_END;
	if (!py_is_address(frame) || py_open(memory, PY_WINDOW_FRAMES, frame, layout->frame_bytes))
		return PY_UNREADABLE;
	found->next = py_word(memory, PY_WINDOW_FRAMES, layout->frame_previous);
	found->code = py_word(memory, PY_WINDOW_FRAMES, layout->frame_code) & ~PY_POINTER_TAGS;
	found->bytecode = 0;
	if (layout->form == PY_FORM_OBJECTS) {
		found->instruction = py_half(memory, PY_WINDOW_FRAMES, layout->frame_instruction);
		return PY_ENTRY;
	}
	found->instruction = py_word(memory, PY_WINDOW_FRAMES, layout->frame_instruction);
	if (layout->frame_bytecode != PY_NONE)
		found->bytecode = py_half(memory, PY_WINDOW_FRAMES, layout->frame_bytecode);
	is_marked = py_byte(memory, PY_WINDOW_FRAMES, layout->frame_mark) >=
		    layout->frame_mark_at_least;
	if (layout->form == PY_FORM_ENTRY_FRAMES)
		return is_marked ? PY_ENTRY : PY_CALL;
	return is_marked ? PY_SHIM : PY_CALL;
}

/*
 * The innermost frame of a thread state; 0 when it runs no Python code.  cframe: where it was found
 * (3.11 and 3.12: on the C stack, in the native frame of the innermost evaluation), or 0. Non-zero:
 * unreadable.
 */
static inline int py_innermost_frame(struct py_memory *memory, const struct py_layout *layout,
				     __u64 thread, __u64 *cframe, __u64 *frame)
{
	*cframe = 0;
	if (py_read(memory, thread + layout->thread_frame, frame))
		return -1;
	if (layout->cframe_current == PY_NONE || !*frame)
		return 0;
	*cframe = *frame;
	return py_read(memory, *cframe + layout->cframe_current, frame);
}

struct py_thread {
	__u64 id;	   /* pthread_self() of the thread it is bound to */
	__u64 next;	   /* thread state; 0: the list's last */
	__u64 previous;	   /* 0: the list's first, or the layout does not say */
	__u64 interpreter; /* its state */
	__u64 is_attached; /* in use by that thread now; only where the layout says (from 3.12) */
};

static inline int py_read_thread(struct py_memory *memory, const struct py_layout *layout,
				 __u64 thread, struct py_thread *found)
{
	if (!py_is_address(thread) ||
	    py_open(memory, PY_WINDOW_OBJECT, thread, layout->thread_bytes))
		return -1;
	found->id = py_word(memory, PY_WINDOW_OBJECT, layout->thread_id);
	found->next = py_word(memory, PY_WINDOW_OBJECT, layout->thread_next);
	found->interpreter = py_word(memory, PY_WINDOW_OBJECT, layout->thread_interpreter);
	found->previous = 0;
	if (layout->thread_previous != PY_NONE)
		found->previous = py_word(memory, PY_WINDOW_OBJECT, layout->thread_previous);
	found->is_attached = 0;
	if (layout->thread_status != PY_NONE)
		found->is_attached = (py_half(memory, PY_WINDOW_OBJECT, layout->thread_status) &
				      layout->thread_attached) != 0;
	return 0;
}

/*
 * Whether a thread state, read just now, is in its interpreter's list: a freed one keeps its id
 * while its frames dangle.  Without a way back (2.7) only the list itself can tell: then 0, unless
 * it is the first.
 */
static inline int py_is_linked(struct py_memory *memory, const struct py_layout *layout,
			       __u64 thread, const struct py_thread *read)
{
	__u64 from = read->previous + layout->thread_next, linked;

	if (!read->previous)
		from = read->interpreter + layout->interpreter_threads;
	if (!py_is_address(from) || py_read(memory, from, &linked))
		return 0;
	return linked == thread;
}

/* The first interpreter state, and after it; 0 behind the last. */
static inline int py_first_interpreter(struct py_memory *memory, const struct py_process *process,
				       __u64 *interpreter)
{
	return py_read(memory, process->interpreters_address, interpreter);
}

static inline int py_next_interpreter(struct py_memory *memory, const struct py_layout *layout,
				      __u64 *interpreter)
{
	return py_read(memory, *interpreter + layout->interpreter_next, interpreter);
}

static inline int py_first_thread(struct py_memory *memory, const struct py_layout *layout,
				  __u64 interpreter, __u64 *thread)
{
	return py_read(memory, interpreter + layout->interpreter_threads, thread);
}

/*
 * What a code object is known by.  Its memory can be reused by another one, and then any of these
 * differs.  `unique` is the version where there is one, else the hash of the name.
 */
struct py_code {
	__u64 filename; /* address of a string */
	__u64 name;	/* likewise: the qualified one where there is one */
	__u64 type;
	__u64 unique;
	__u64 first_line;
};

static inline int py_read_code(struct py_memory *memory, const struct py_layout *layout, __u64 code,
			       struct py_code *found)
{
	__u32 name = layout->code_qualname;

	if (name == PY_NONE)
		name = layout->code_name;
	if (!py_is_address(code) || py_open(memory, PY_WINDOW_OBJECT, code, layout->code_bytes))
		return -1;
	found->type = py_word(memory, PY_WINDOW_OBJECT, layout->object_type);
	found->filename = py_word(memory, PY_WINDOW_OBJECT, layout->code_filename);
	found->name = py_word(memory, PY_WINDOW_OBJECT, name);
	found->first_line = py_half(memory, PY_WINDOW_OBJECT, layout->code_first_line);
	found->unique = 0;
	if (layout->code_version != PY_NONE)
		found->unique = py_half(memory, PY_WINDOW_OBJECT, layout->code_version);
	if (found->unique)
		return 0;
	if (!py_is_address(found->name))
		return -1;
	return py_read(memory, found->name + layout->string_hash, &found->unique);
}

/* Not a code object: a shim's executable, None, or memory that was reused. */
static inline int py_is_code(const struct py_process *process, const struct py_code *code)
{
	return !process->code_type || code->type == process->code_type;
}

/*
 * Where the bytecode stands: the offset in bytes of the instruction that runs, or -1 before the
 * first.  `code` is the address of the code object.
 */
static inline __s64 py_position(struct py_memory *memory, const struct py_layout *layout,
				__u64 code, const struct py_frame *frame)
{
	__u64 first = code + layout->code_instructions, copies;
	__s64 position = frame->instruction;

	if (layout->form == PY_FORM_OBJECTS)
		return position >> 31 ? -1 : position << layout->lasti_shift; /* 32 bits, signed */
	if (frame->bytecode) {
		/* { size, address of the first copy, of the second, ...} */
		if (py_read(memory, code + layout->code_bytecodes, &copies) ||
		    py_read(memory, copies + (1 + frame->bytecode) * 8, &first))
			return -1;
	}
	position = frame->instruction - first;
	return frame->instruction < first ? -1 : position;
}

/* A string's characters: `length` of them, `width` bytes each, from `data` on. */
struct py_text {
	__u64 data;
	__u64 length;
	__u32 width;	/* 1, 2 or 4 */
	__u32 is_bytes; /* 2.7: no characters but bytes, in UTF-8 as a rule; else Latin-1, UCS-2, -4
			 */
};

static inline int py_read_text(struct py_memory *memory, const struct py_layout *layout,
			       __u64 string, struct py_text *text)
{
	__u64 state, is_ascii, is_compact;

	if (!py_is_address(string) ||
	    py_read(memory, string + layout->string_length, &text->length))
		return -1;
	text->width = 1;
	text->is_bytes = layout->strings == PY_STRINGS_BYTES;
	text->data = string + layout->string_data;
	if (text->is_bytes)
		return 0;
	if (py_read(memory, string + layout->string_state, &state))
		return -1;
	state >>= layout->string_kind_shift;
	text->width = state & 7;
	is_compact = state >> 3 & 1;
	is_ascii = state >> 4 & 1;
	if (text->width != 1 && text->width != 2 && text->width != 4)
		return -1;
	if (!is_compact) /* a subclass of str: no compiler makes a name of one */
		return -1;
	if (!is_ascii)
		text->data = string + layout->string_wide_data;
	return 0;
}

/* Whether a name of the form "self" or "cls" is this one: its characters as a word. */
static inline int py_is_name(struct py_memory *memory, const struct py_layout *layout, __u64 string,
			     __u64 characters, __u64 length)
{
	struct py_text text;
	__u64 word;

	if (py_read_text(memory, layout, string, &text) || text.width != 1 || text.length != length)
		return 0;
	if (py_read(memory, text.data, &word))
		return 0;
	return (word & ((1ULL << length * 8) - 1)) == characters;
}

#define PY_NAME_SELF 0x666c6573ULL /* "self" */
#define PY_NAME_CLS 0x736c63ULL	   /* "cls" */

enum { PY_TYPE_SUBCLASS_BIT = 31 }; /* Py_TPFLAGS_TYPE_SUBCLASS: instances are types */

/* Classes of 2.7 that do not inherit from object (Include/classobject.h): two types for all. */
#define PY_TYPE_INSTANCE 0x65636e6174736e69ULL /* "instance" */
#define PY_TYPE_CLASSOBJ 0x6a626f7373616c63ULL /* "classobj" */

enum {
	PY_INSTANCE_CLASS = 16, /* PyInstanceObject.in_class */
	PY_CLASSOBJ_NAME = 32,	/* PyClassObject.cl_name */
};

static inline __u64 py_find_old_class(struct py_memory *memory, const struct py_layout *layout,
				      __u64 object, __u64 type_name, int is_self)
{
	__u64 name;

	if (is_self) {
		if (type_name != PY_TYPE_INSTANCE ||
		    py_read(memory, object + PY_INSTANCE_CLASS, &object) || !py_is_address(object))
			return 0;
	} else if (type_name != PY_TYPE_CLASSOBJ) {
		return 0;
	}
	if (py_read(memory, object + PY_CLASSOBJ_NAME, &name) || !py_is_address(name))
		return 0;
	return name + layout->string_data;
}

/* The first argument, also when it was moved to a cell because an inner function uses it. */
static inline __u64 py_first_argument(struct py_memory *memory, const struct py_layout *layout,
				      __u64 frame, __u64 code, __u64 name)
{
	__u64 object, cells, count, locals, cell, cell_name;

	if (py_read(memory, frame + layout->frame_locals, &object))
		return 0;
	if (object)
		return object;
	if (py_read(memory, code + layout->code_cell_names, &cells) || !py_is_address(cells) ||
	    py_read(memory, cells + layout->bytes_size, &count) ||
	    py_read(memory, code + (layout->code_local_count & ~7U), &locals))
		return 0;
	locals = locals >> (layout->code_local_count & 7) * 8 & 0xffffffff;
	for (__u32 i = 0; i < PY_MAX_CELLS; i++) {
		if (i >= count || py_read(memory, cells + layout->tuple_items + i * 8, &cell_name))
			return 0;
		if (cell_name != name)
			continue;
		if (py_read(memory, frame + layout->frame_locals + (locals + i) * 8, &cell) ||
		    !py_is_address(cell) || py_read(memory, cell + layout->cell_object, &object))
			return 0;
		return object;
	}
	return 0;
}

/*
 * The class that a method belongs to, as its first argument tells, up to 3.10: the address of its
 * name, a C string, or 0.
 */
static inline __u64 py_find_class(struct py_memory *memory, const struct py_layout *layout,
				  __u64 frame, __u64 code)
{
	__u64 count, names, name, object, type, flags, text;
	int is_self;

	if (layout->code_local_names == PY_NONE ||
	    py_read(memory, code + (layout->code_argument_count & ~7U), &count) ||
	    (count >> (layout->code_argument_count & 7) * 8 & 0xffffffff) == 0 ||
	    py_read(memory, code + layout->code_local_names, &names) || !py_is_address(names) ||
	    py_read(memory, names + layout->tuple_items, &name))
		return 0;
	is_self = py_is_name(memory, layout, name, PY_NAME_SELF, 4);
	if (!is_self && !py_is_name(memory, layout, name, PY_NAME_CLS, 3))
		return 0;
	object = py_first_argument(memory, layout, frame, code, name);
	if (!py_is_address(object) || py_read(memory, object + layout->object_type, &type) ||
	    !py_is_address(type))
		return 0;
	if (py_read(memory, type + layout->type_name, &text))
		return 0;
	if (layout->strings == PY_STRINGS_BYTES && !py_read(memory, text, &flags)) {
		name = py_find_old_class(memory, layout, object, flags, is_self);
		if (name)
			return name;
	}
	if (is_self)
		return text;
	if (py_read(memory, type + layout->type_flags, &flags) ||
	    !(flags >> PY_TYPE_SUBCLASS_BIT & 1) ||
	    py_read(memory, object + layout->type_name, &text))
		return 0;
	return text;
}

#endif
