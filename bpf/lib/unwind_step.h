/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The pure core of the unwinder: from the registers of one frame to those of its caller.
 * No helper, no map: it compiles for BPF and natively (tests/unit/bpf).  The includer supplies
 * the memory:
 *
 *	int unw_read_stack(__u64 address, __u64 pair[2]);
 *
 * which reads two words of the process' stack and returns 0, or non-zero when it cannot.
 */
#ifndef WAGGLE_LIB_UNWIND_STEP_H
#define WAGGLE_LIB_UNWIND_STEP_H

struct unw_registers {
	__u64 ip;
	__u64 sp;
	__u64 fp;
};

enum unw_outcome {
	UNW_STEPPED,	/* the registers are the caller's now */
	UNW_COMPLETE,	/* that was the thread's entry */
	UNW_NO_INFO,	/* the frame pointer is not one */
	UNW_UNREADABLE, /* it is one, but its memory cannot be read */
	UNW_TOO_DEEP,	/* the buffer is full */
};

static inline int unw_read_stack(__u64 address, __u64 pair[2]);

enum {
	UNW_LOWEST_CODE = 0x1000,   /* vm.mmap_min_addr at the least: nothing is mapped below */
	UNW_USER_ADDRESS_BITS = 56, /* five-level page tables; one more bit is the kernel's */
};

static inline int unw_is_user_address(__u64 address)
{
	return address >= UNW_LOWEST_CODE && address >> UNW_USER_ADDRESS_BITS == 0;
}

/*
 * By frame pointer: [fp] is the caller's fp, [fp + 8] the return address.  A thread starts with
 * fp = 0 (System V AMD64 ABI 3.4.1) or ends with a return address of 0 (clone(2) in libc).
 * Frames lie upwards, so a pointer that does not is some other value in the register.
 */
static inline enum unw_outcome unw_step_frame_pointer(struct unw_registers *regs)
{
	__u64 pair[2];

	if (regs->fp == 0)
		return UNW_COMPLETE;
	if (regs->fp < regs->sp || regs->fp % sizeof(__u64) != 0 || !unw_is_user_address(regs->fp))
		return UNW_NO_INFO;
	if (unw_read_stack(regs->fp, pair))
		return UNW_UNREADABLE;
	if (pair[1] == 0)
		return UNW_COMPLETE;
	if (!unw_is_user_address(pair[1]))
		return UNW_NO_INFO;
	regs->sp = regs->fp + sizeof(pair);
	regs->fp = pair[0];
	regs->ip = pair[1];
	return UNW_STEPPED;
}

#endif
