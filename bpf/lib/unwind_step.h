/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The pure core of the unwinder: from the registers of one frame to those of its caller, by a rule
 * of an unwind table or by frame pointer, and the search in a node of such a table.
 * No helper, no map: it compiles for BPF and natively (tests/unit/bpf).  The includer supplies
 * the memory, a type of its own and
 *
 *	int unw_read_word(struct unw_memory *memory, __u64 address, __u64 *value);
 *
 * which reads a word of the process' stack and returns 0, or non-zero when it cannot: also for an
 * address that is no multiple of 8 or not of user space.
 *
 * One frame, key = address in its file minus the table's lowest address (32 bits):
 *
 *	address = is_return_address ? regs.ip - 1 : regs.ip, the file's address of it
 *	number = tree.root, first_key = 0
 *	tree.levels times:
 *		branch = node[number].branches[unw_search_branches(node[number].branches, key)]
 *		number = branch.child, first_key = branch.first_key
 *	row = node[number].rows[unw_search_rows(node[number].rows, key - first_key)]
 *	unw_step_rule(memory, &regs, &rules[row.rule], other), and UNW_NO_INFO instead if the
 *		innermost frame is complete by frame pointer: a leaf function does not set it
 *	is_return_address = !rules[row.rule].is_signal_frame
 *
 * The innermost frame's ip is no return address.
 */
#ifndef WAGGLE_LIB_UNWIND_STEP_H
#define WAGGLE_LIB_UNWIND_STEP_H

#include "bpf/abi/unwind.h"

#ifndef barrier_var
#define barrier_var(var) asm volatile("" : "+r"(var))
#endif

struct unw_registers {
	__u64 ip;
	__u64 sp;
	__u64 fp;
};

enum unw_outcome {
	UNW_STEPPED,	/* the registers are the caller's now */
	UNW_COMPLETE,	/* that was the thread's entry */
	UNW_NO_INFO,	/* the frame pointer is not one, or the rule leads nowhere */
	UNW_UNREADABLE, /* the memory that has the caller's registers cannot be read */
	UNW_TOO_DEEP,	/* the buffer is full */
};

struct unw_memory;

static inline int unw_read_word(struct unw_memory *memory, __u64 address, __u64 *value);

enum {
	UNW_LOWEST_CODE = 0x1000,   /* vm.mmap_min_addr at the least: nothing is mapped below */
	UNW_USER_ADDRESS_BITS = 56, /* five-level page tables; one more bit is the kernel's */
	UNW_LOST_FP = 1, /* in fp when nobody knows it; never taken for a frame pointer */
	UNW_WORD_BYTES = 8,
	UNW_PLT_ENTRY_BYTES = 16,
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
static inline enum unw_outcome unw_step_frame_pointer(struct unw_memory *memory,
						      struct unw_registers *regs)
{
	__u64 fp, ip;

	if (regs->fp == 0)
		return UNW_COMPLETE;
	if (regs->fp < regs->sp || regs->fp % UNW_WORD_BYTES != 0 || !unw_is_user_address(regs->fp))
		return UNW_NO_INFO;
	if (unw_read_word(memory, regs->fp, &fp) ||
	    unw_read_word(memory, regs->fp + UNW_WORD_BYTES, &ip))
		return UNW_UNREADABLE;
	if (ip == 0)
		return UNW_COMPLETE;
	if (!unw_is_user_address(ip))
		return UNW_NO_INFO;
	regs->sp = regs->fp + 2 * UNW_WORD_BYTES;
	regs->fp = fp;
	regs->ip = ip;
	return UNW_STEPPED;
}

static inline enum unw_outcome unw_find_cfa(struct unw_memory *memory,
					    const struct unw_registers *regs,
					    const struct unw_rule *rule, __u64 other, __u64 *cfa)
{
	__u64 offset = rule->cfa_offset; /* negative ones wrap around, here and below */
	__u64 addend = rule->cfa_addend;
	__u64 base = regs->sp;

	switch (rule->cfa) {
	case UNW_CFA_SP:
		*cfa = base + offset;
		return UNW_STEPPED;
	case UNW_CFA_FP:
		*cfa = regs->fp + offset;
		return UNW_STEPPED;
	case UNW_CFA_FP_ANYWHERE:
		*cfa = regs->fp + offset;
		return regs->fp ? UNW_STEPPED : UNW_COMPLETE;
	case UNW_CFA_OTHER:
		*cfa = other + offset;
		return other ? UNW_STEPPED : UNW_NO_INFO;
	case UNW_CFA_PLT:
		*cfa = base + offset;
		if (regs->ip % UNW_PLT_ENTRY_BYTES >= addend)
			*cfa += UNW_WORD_BYTES;
		return UNW_STEPPED;
	case UNW_CFA_SP_DEREF:
		break;
	case UNW_CFA_FP_DEREF:
		base = regs->fp;
		break;
	case UNW_CFA_SP_INDEX_DEREF:
		if (!other)
			return UNW_NO_INFO;
		base += other * UNW_WORD_BYTES;
		break;
	default:
		return UNW_NO_INFO;
	}
	if (unw_read_word(memory, base + offset, cfa))
		return UNW_UNREADABLE;
	*cfa += addend;
	return UNW_STEPPED;
}

/* Frames lie upwards: this is what ends a walk that a broken stack leads in circles. */
static inline int unw_is_caller_sp(const struct unw_registers *regs, const struct unw_rule *rule,
				   __u64 cfa)
{
	if (!unw_is_user_address(cfa))
		return 0;
	if (cfa > regs->sp)
		return 1;
	if (rule->is_signal_frame || rule->cfa == UNW_CFA_FP_ANYWHERE)
		return 1; /* a signal handler, too, may have a stack of its own, anywhere */
	return cfa == regs->sp &&
	       rule->ra == UNW_SAVED_OTHER; /* a return address that is not on the stack */
}

static inline int unw_find_fp(struct unw_memory *memory, const struct unw_registers *regs,
			      const struct unw_rule *rule, __u64 cfa, __u64 other, __u64 *fp)
{
	__u64 offset = rule->fp_offset;

	switch (rule->fp) {
	case UNW_SAVED_NOT:
		*fp = regs->fp;
		return 0;
	case UNW_SAVED_CFA:
		return unw_read_word(memory, cfa + offset, fp);
	case UNW_SAVED_SP:
		return unw_read_word(memory, regs->sp + offset, fp);
	case UNW_SAVED_FP:
		offset += regs->fp;
		/*
		 * GCC says so of a realigned frame up to its last instruction, and two too long:
		 * fp is the caller's once it has been popped, and no slot of this frame.
		 */
		if (offset >= regs->sp && offset < cfa)
			return unw_read_word(memory, offset, fp);
		*fp = regs->fp;
		return 0;
	case UNW_SAVED_OTHER:
		*fp = other;
		if (other)
			return 0;
		break;
	default:
		break;
	}
	*fp = UNW_LOST_FP;
	return 0;
}

static inline enum unw_outcome unw_find_ip(struct unw_memory *memory,
					   const struct unw_registers *regs,
					   const struct unw_rule *rule, __u64 cfa, __u64 other,
					   __u64 *ip)
{
	__u64 base = rule->ra == UNW_SAVED_SP ? regs->sp : cfa;
	__u64 offset = rule->ra_offset;

	if (rule->ra == UNW_SAVED_OTHER) {
		*ip = other;
		return other ? UNW_STEPPED : UNW_NO_INFO;
	}
	if (unw_read_word(memory, base + offset, ip))
		return UNW_UNREADABLE;
	return UNW_STEPPED;
}

/*
 * By a rule (bpf/abi/unwind.h).  `other` is the value of rule->other_register, or 0 where it is not
 * known.  Where the rule says so, by frame pointer.
 * The registers are changed by UNW_STEPPED alone.
 */
static inline enum unw_outcome unw_step_rule(struct unw_memory *memory, struct unw_registers *regs,
					     const struct unw_rule *rule, __u64 other)
{
	enum unw_outcome outcome;
	__u64 cfa, fp, ip;

	if (rule->cfa == UNW_CFA_FRAME_POINTER)
		return unw_step_frame_pointer(memory, regs);
	if (rule->cfa == UNW_CFA_UNSUPPORTED) {
		outcome = unw_step_frame_pointer(memory, regs);
		return outcome == UNW_COMPLETE ? UNW_NO_INFO : outcome;
	}
	if (rule->cfa == UNW_CFA_END)
		return UNW_COMPLETE;
	outcome = unw_find_cfa(memory, regs, rule, other, &cfa);
	if (outcome != UNW_STEPPED)
		return outcome;
	if (!unw_is_caller_sp(regs, rule, cfa))
		return UNW_NO_INFO;
	/* The frame pointer first: it lies below, and a window of the stack is filled upwards. */
	if (unw_find_fp(memory, regs, rule, cfa, other, &fp))
		return UNW_UNREADABLE;
	outcome = unw_find_ip(memory, regs, rule, cfa, other, &ip);
	if (outcome != UNW_STEPPED)
		return outcome;
	if (ip == 0)
		return UNW_COMPLETE;
	if (!unw_is_user_address(ip))
		return UNW_NO_INFO;
	regs->ip = ip;
	regs->sp = cfa;
	regs->fp = fp;
	return UNW_STEPPED;
}

/*
 * Where the spare register's value in a frame is: in its register as long as `address` is 0.  Known
 * in frame number `frame`, and in none if a frame before that did not say.
 */
struct unw_spare {
	__u64 address;
	__u32 frame;
	__u32 pad_;
};

/* From frame number `frame`, which the rule belongs to, to its caller; cfa: of that frame. */
static inline void unw_follow_spare(struct unw_spare *spare, const struct unw_rule *rule, __u64 cfa,
				    __u32 frame)
{
	__u64 words = rule->spare;

	if (words == UNW_SPARE_UNKNOWN || spare->frame != frame)
		return;
	spare->frame = frame + 1;
	if (words != UNW_SPARE_KEPT)
		spare->address = cfa - words * UNW_WORD_BYTES;
}

/*
 * The last of the rows (branches) whose offset (first key) is not above.  The first is never above:
 * keys begin with the table.  Without a branch, so that the verifier sees one path and not 2^8; the
 * barrier keeps the compiler from making one.
 */
static inline __u32 unw_search_rows(const struct unw_row *rows, __u64 offset)
{
	__u64 low = 0, half, is_below;

	for (half = UNW_ROWS_PER_LEAF / 2; half; half /= 2) {
		is_below = rows[(low + half) & (UNW_ROWS_PER_LEAF - 1)].offset;
		is_below = (is_below - offset - 1) >> 63;
		barrier_var(is_below);
		low += half * is_below;
	}
	return low & (UNW_ROWS_PER_LEAF - 1);
}

static inline __u32 unw_search_branches(const struct unw_branch *branches, __u64 key)
{
	__u64 low = 0, half, is_below;

	for (half = UNW_BRANCHES_PER_NODE / 2; half; half /= 2) {
		is_below = branches[(low + half) & (UNW_BRANCHES_PER_NODE - 1)].first_key;
		is_below = (is_below - key - 1) >> 63;
		barrier_var(is_below);
		low += half * is_below;
	}
	return low & (UNW_BRANCHES_PER_NODE - 1);
}

#endif
