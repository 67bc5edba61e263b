/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * A frame is 64 bits: 4 bits of kind, 60 of payload.  The two kinds that need no work in the kernel
 * are the addresses themselves: a user address has its top bits clear, a kernel address has them
 * set.
 */
#ifndef WAGGLE_ABI_FRAME_H
#define WAGGLE_ABI_FRAME_H

#include "bpf/abi/abi.h"

enum { FRAME_KIND_SHIFT = 60 };

enum frame_kind {
	FRAME_USER =
		0x0, /* address in the process; return addresses minus one, so inside the call */
	FRAME_NATIVE = 0x1, /* executable (20 bits), offset in its file (40 bits) */
	FRAME_PYTHON = 0x2, /* code object's id (36 bits), position in its bytecode (24 bits) */
	FRAME_MARKER = 0xe, /* enum marker (bpf/abi/markers.h) */
	FRAME_KERNEL =
		0xf, /* kernel address as bpf_get_stack() gives it: return addresses as they are */
};

static inline __u64 frame_make(__u64 kind, __u64 payload)
{
	return kind << FRAME_KIND_SHIFT | payload;
}

/* An enum frame_kind, or a number that is none. */
static inline __u64 frame_kind_of(__u64 frame)
{
	return frame >> FRAME_KIND_SHIFT;
}

static inline __u64 frame_payload(__u64 frame)
{
	return frame & ((1ULL << FRAME_KIND_SHIFT) - 1);
}

enum {
	FRAME_OFFSET_BITS = 40,
	FRAME_MAX_EXECUTABLE = (1 << 20) - 1,
};

/* Independent of where the file was loaded, so equal in all processes. */
static inline __u64 frame_make_native(__u32 executable, __u64 offset)
{
	__u64 file = executable;

	return frame_make(FRAME_NATIVE,
			  file << FRAME_OFFSET_BITS | (offset & ((1ULL << FRAME_OFFSET_BITS) - 1)));
}

static inline __u64 frame_executable(__u64 frame)
{
	return frame_payload(frame) >> FRAME_OFFSET_BITS;
}

static inline __u64 frame_offset(__u64 frame)
{
	return frame & ((1ULL << FRAME_OFFSET_BITS) - 1);
}

enum {
	FRAME_POSITION_BITS = 24,
	FRAME_MAX_POSITION = (1 << FRAME_POSITION_BITS) - 1,
};

/*
 * The id is one that the kernel side gave to the code object's content; it stands for the same
 * names for the length of a recording.  position: py_position() + 1, no more than
 * FRAME_MAX_POSITION; 0 where lines are not wanted or the first instruction was not reached.
 */
static inline __u64 frame_make_python(__u64 code_id, __u64 position)
{
	if (position > FRAME_MAX_POSITION)
		position = FRAME_MAX_POSITION;
	return frame_make(FRAME_PYTHON, code_id << FRAME_POSITION_BITS | position);
}

static inline __u64 frame_code_id(__u64 frame)
{
	return frame_payload(frame) >> FRAME_POSITION_BITS;
}

static inline __u64 frame_position(__u64 frame)
{
	return frame & FRAME_MAX_POSITION;
}

#endif
