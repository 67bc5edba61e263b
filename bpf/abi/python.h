/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * Python (CPython) processes, as the kernel side knows them: py_processes leads from a process
 * instance to its runtime, and the runtime names its layout in py_layouts, which says where the
 * fields lie that a walk needs.  User space finds both (userspace/runtimes/python); the walk is
 * bpf/lib/python_step.h.
 *
 * Names of fields say what is found there; offsets are in bytes from the start of the object.
 */
#ifndef WAGGLE_ABI_PYTHON_H
#define WAGGLE_ABI_PYTHON_H

#include "bpf/abi/abi.h"
#include "bpf/abi/process.h"

enum {
	PY_MAX_PROCESSES = 4096,
	PY_MAX_LAYOUTS = 64, /* versions and builds that differ, on one host */
	PY_MAX_LOOPS = 16,   /* parts of one evaluation loop */
};

#define PY_NO_LAYOUT 0xffffffffU /* in py_process: it is not known, or not proven yet */

/* Where a version has no such field.  No field but ob_refcnt is at 0 and wanted, but for the ones
 * that say so. */
#define PY_NONE 0xffffU

enum py_form {
	/*
	 * PyFrameObject, up to 3.10.  Each frame runs in an evaluation of its own, so each is the
	 * last one before native frames.
	 */
	PY_FORM_OBJECTS,
	/*
	 * _PyInterpreterFrame of 3.11: many in one evaluation; frame_mark tells the one that was
	 * entered from C, which is the last.
	 */
	PY_FORM_ENTRY_FRAMES,
	/*
	 * _PyInterpreterFrame from 3.12 on: below the frame that was entered from C lies one that
	 * is no function's (shim), and frame_mark tells that one.
	 */
	PY_FORM_SHIM_FRAMES,
};

enum py_strings {
	PY_STRINGS_BYTES,   /* names are `str` of 2.7, bytes in an unknown encoding */
	PY_STRINGS_UNICODE, /* PEP 393 */
};

/* Of one build of one version.  The same for all processes that run it. */
struct py_layout {
	__u32 version; /* PY_VERSION_HEX */
	__u8 form;     /* enum py_form */
	__u8 strings;  /* enum py_strings */
	__u8 is_free_threaded;
	__u8 lasti_shift; /* PY_FORM_OBJECTS: [frame_instruction] << this is in bytes */

	/* PyInterpreterState */
	__u32 interpreter_next; /* can be 0 */
	__u32 interpreter_threads;

	/* PyThreadState; all within its first thread_bytes */
	__u16 thread_bytes;
	__u16 thread_previous; /* can be 0; PY_NONE in 2.7 */
	__u16 thread_next;     /* can be 0 */
	__u16 thread_interpreter;
	__u16 thread_id;       /* pthread_self() */
	__u16 thread_frame;    /* the innermost frame, or what cframe_current is an offset in */
	__u16 cframe_current;  /* can be 0; PY_NONE: thread_frame is the frame */
	__u16 thread_status;   /* 32 bits of flags; PY_NONE before 3.12 */
	__u32 thread_attached; /* the flag in them that says: in use by its thread now */

	/* PyFrameObject or _PyInterpreterFrame; all but frame_locals within the first frame_bytes
	 */
	__u16 frame_bytes;
	__u16 frame_previous;
	__u16 frame_code;	  /* can be 0; its lowest three bits are no part of the address */
	__u16 frame_instruction;  /* 32 bits in PY_FORM_OBJECTS, else an address */
	__u16 frame_mark;	  /* one byte; PY_NONE in PY_FORM_OBJECTS */
	__u8 frame_mark_at_least; /* marked: the byte is no less */
	__u8 pad_;
	__u16 frame_locals;   /* of objects, the arguments first */
	__u16 frame_bytecode; /* 32 bits, which copy of the bytecode runs; PY_NONE: there is one */

	/* PyCodeObject; all but code_instructions within the first code_bytes */
	__u16 code_bytes;
	__u16 code_filename;
	__u16 code_name;
	__u16 code_qualname; /* PY_NONE before 3.11 */
	__u16 code_first_line;
	__u16 code_version; /* 32 bits, unlike in all other code objects; PY_NONE before 3.12 */
	__u16 code_argument_count;
	__u16 code_local_count;
	__u16 code_local_names;	 /* tuple; PY_NONE from 3.11 on: no class is needed there */
	__u16 code_cell_names;	 /* tuple, likewise */
	__u16 code_line_table;	 /* bytes object: lnotab, or linetable from 3.10 on */
	__u16 code_instructions; /* the bytecode itself, from 3.11 on; PY_NONE before */
	__u16 code_bytecodes;	 /* copies of it, a counted array of addresses; PY_NONE: none */

	/* What all objects share, and the ones that hold names */
	__u16 object_type;
	__u16 type_name; /* address of a C string */
	__u16 type_flags;
	__u16 tuple_items;
	__u16 bytes_size;
	__u16 bytes_data;
	__u16 cell_object;
	__u16 string_length;
	__u16 string_hash;	/* -1: not computed */
	__u16 string_state;	/* 32 bits; PY_NONE in 2.7 */
	__u16 string_data;	/* ASCII, or the bytes of 2.7 */
	__u16 string_wide_data; /* all else */
	__u8 string_kind_shift; /* of three bits in string_state; compact and ascii follow */
	__u8 pad2_;
};
ABI_ASSERT(sizeof(struct py_layout) == 104, "py_layout has no padding");

/* [start, end) */
struct py_range {
	__u64 start;
	__u64 end;
};

/*
 * The value of py_processes.  Addresses are those of the process.
 */
struct py_process {
	struct process_id process;  /* the key again: an entry may be reused while it is read */
	__u64 interpreters_address; /* of the variable that holds the first interpreter state */
	/*
	 * Of the variable that holds the thread state whose thread has the GIL; 0: there is none
	 * (from 3.12 on thread_status tells), or it is not known where.
	 */
	__u64 current_address;
	__u64 code_type;      /* PyCode_Type: what a code object's type is; 0: not known */
	__u64 thread_id_bias; /* PyThreadState.thread_id = thread pointer + this; 0 on x86_64 */
	__u32 layout;	      /* number in py_layouts */
	__u32 loop_count;
	/* The evaluation loop, sorted.  A native frame in one of these stands for Python frames. */
	struct py_range loops[PY_MAX_LOOPS];
	/*
	 * In a tail-call interpreter the function that has called the first instruction's.  Its
	 * native frame, which holds the shim, stands for the Python frames, and those of `loops`,
	 * one above each, for nothing.  Without loops all code of the file that has the Python: it
	 * is not known how to walk it.  Else empty.
	 */
	struct py_range entry;
};
ABI_ASSERT(sizeof(struct py_process) == 328, "py_process has no padding");

/*
 * Ids of code objects: CPU (12 bits), count on that CPU (24 bits), so that no lock is needed.
 * Above all counts: PY_NAMELESS.
 */
enum {
	PY_CODE_COUNT_BITS = 24,
	PY_MAX_CODE_COUNT = (1 << PY_CODE_COUNT_BITS) - 2,
	PY_MAX_CPU = (1 << 12) - 1,
};
#define PY_NAMELESS 0xfffffffffULL /* a code object whose names could not be told */

enum {
	PY_FILE_BYTES = 512, /* the most that is copied; the end of a longer one */
	PY_NAME_BYTES = 256, /* the beginning of a longer one */
	PY_CLASS_BYTES = 128,
	PY_NAMES_BYTES = 1024, /* of all, a power of two */
	PY_TEXT_BYTES = 1536,  /* room for one more that begins at the end of those */
	PY_MAX_TEXT_LENGTH = 1 << 20,
	PY_NAMES_HEAD_BYTES = 48,
};

struct py_text_part {
	__u16 size;	   /* in bytes */
	__u8 width;	   /* of a character: 1, 2 or 4 bytes */
	__u8 is_bytes : 1; /* of 2.7; else Latin-1, UCS-2 or UCS-4 by width */
	__u8 is_cut : 1;
};

/* In the ring py_names: what a code object is called. */
struct py_names {
	__u64 code_id;
	__u64 code; /* address of the code object */
	struct process_id process;
	__u32 first_line;
	__u32 class_size; /* 0: none */
	struct py_text_part file;
	struct py_text_part name;
	char text[PY_TEXT_BYTES]; /* file, name, class; as much as they take */
};
ABI_ASSERT(sizeof(struct py_names) == PY_NAMES_HEAD_BYTES + PY_TEXT_BYTES,
	   "py_names has no padding");

#endif
