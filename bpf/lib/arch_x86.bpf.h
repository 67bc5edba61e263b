/* SPDX-License-Identifier: GPL-2.0 */
/* x86_64: registers of an interrupted task, and where the kernel keeps them. */
#ifndef WAGGLE_LIB_ARCH_X86_BPF_H
#define WAGGLE_LIB_ARCH_X86_BPF_H

#include "vmlinux/vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "bpf/lib/unwind_step.h"

enum {
	X86_SELECTOR_MASK = 0xffff,  /* the rest of the slot holds FRED's event data (since 6.9) */
	X86_USER_RPL = 3,	     /* arch/x86/include/asm/ptrace.h, user_mode() */
	X86_USER32_CS = 0x23,	     /* arch/x86/include/asm/segment.h, __USER32_CS */
	X86_THREAD_SIZE = 4096 << 2, /* THREAD_SIZE without KASAN, which no distribution ships */
};

static __always_inline bool arch_is_user_mode(unsigned long cs)
{
	return (cs & X86_USER_RPL) == X86_USER_RPL;
}

static __always_inline bool arch_is_32bit(unsigned long cs)
{
	return (cs & X86_SELECTOR_MASK) == X86_USER32_CS;
}

/* The user registers saved at kernel entry lie at the very top of the task's kernel stack. */
static __always_inline void *arch_saved_user_regs(void *stack)
{
	return stack + X86_THREAD_SIZE - sizeof(struct pt_regs);
}

/*
 * The register of a DWARF number (System V AMD64 ABI, figure 3.36) in a saved pt_regs: its word, in
 * four bits each.  rsp is none of them: orig_ax stands in its place.
 */
#define X86_WORDS_OF_REGISTERS 0x01236789f4ed5bcaULL

enum {
	X86_REGISTERS = 16,
	X86_SPARE_REGISTER = 3, /* rbx */
};

static __always_inline void *arch_saved_register(void *saved, u32 number)
{
	u64 word = X86_WORDS_OF_REGISTERS >> (number & (X86_REGISTERS - 1)) * 4 & 0xf;

	return saved + word * sizeof(u64);
}

static __always_inline bool arch_is_spare_register(u32 number)
{
	return number == X86_SPARE_REGISTER;
}

/* The fs base: the kernel keeps it here for a running task too (arch/x86/kernel/process_64.c). */
static __always_inline u64 arch_thread_pointer(struct task_struct *task)
{
	return BPF_CORE_READ(task, thread.fsbase);
}

/* The part of pt_regs that unwinding starts from. */
struct arch_regs {
	struct unw_registers unw;
	u64 cs;
};

/*
 * Read at once and early: left to itself the compiler merges these loads with those from a saved
 * pt_regs into one pointer, and the verifier refuses ("dereference of modified ctx ptr").
 */
static __always_inline void arch_read_ctx_regs(struct arch_regs *out,
					       struct bpf_perf_event_data *ctx)
{
	u64 ip = ctx->regs.ip, sp = ctx->regs.sp, fp = ctx->regs.bp, cs = ctx->regs.cs;

	barrier_var(ip);
	barrier_var(sp);
	barrier_var(fp);
	barrier_var(cs);
	*out = (struct arch_regs){{ip, sp, fp}, cs};
}

static __always_inline void arch_copy_regs(struct arch_regs *out, const struct pt_regs *regs)
{
	*out = (struct arch_regs){{regs->ip, regs->sp, regs->bp}, regs->cs};
}

#endif
