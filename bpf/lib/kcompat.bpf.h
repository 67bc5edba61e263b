/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where kernels differ: one accessor for each difference, decided by what the kernel's BTF has and
 * never by a version number.  The verifier drops the branch that is not taken before it looks at
 * the helpers in it.
 */
#ifndef WAGGLE_LIB_KCOMPAT_BPF_H
#define WAGGLE_LIB_KCOMPAT_BPF_H

#include "vmlinux/vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "bpf/abi/process.h"
#include "bpf/lib/arch.bpf.h"

enum {
	KC_PF_KTHREAD = 0x00200000, /* include/linux/sched.h */
	KC_VM_EXEC = 0x00000004,    /* include/linux/mm.h */
};

/* The part of task_struct that a sample needs, read at once. */
struct kc_task {
	struct process_id process;
	char leader_comm[PROCESS_COMM_BYTES];
	bool is_kernel_thread;
};

/*
 * 5.11 (commit 3ca1032ab7ab) lets a program follow the current task's pointers by plain loads;
 * before, each step is a call of bpf_probe_read_kernel().
 */
static __always_inline void kc_read_current(struct kc_task *out, u32 tgid)
{
	struct task_struct *leader;

	out->process.tgid = tgid;
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf)) {
		struct task_struct *task = bpf_get_current_task_btf();

		out->is_kernel_thread = task->flags & KC_PF_KTHREAD;
		out->process.exec_id = task->self_exec_id;
		leader = task->group_leader;
		out->process.start_boottime_ns = leader->start_boottime;
	} else {
		struct task_struct *task = (void *)bpf_get_current_task();

		out->is_kernel_thread = BPF_CORE_READ(task, flags) & KC_PF_KTHREAD;
		out->process.exec_id = BPF_CORE_READ(task, self_exec_id);
		leader = BPF_CORE_READ(task, group_leader);
		out->process.start_boottime_ns = BPF_CORE_READ(leader, start_boottime);
	}
	bpf_probe_read_kernel(out->leader_comm, sizeof(out->leader_comm), leader->comm);
}

/*
 * Where the registers are with which the current task entered the kernel, for
 * bpf_probe_read_kernel().  5.15 (commit dd6e10fbd9fb) has a helper that knows; before, they are at
 * the top of the stack.
 */
static __always_inline void *kc_saved_user_regs(void)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	return arch_saved_user_regs(
		BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), stack));
}

/* 0 on success. */
static __always_inline long kc_read_user_regs(struct pt_regs *out)
{
	return bpf_probe_read_kernel(out, sizeof(*out), kc_saved_user_regs());
}

/* Of one register, by its DWARF number; 0 also when it cannot be read. */
static __always_inline u64 kc_read_user_register(u32 number)
{
	u64 value;

	if (bpf_probe_read_kernel(&value, sizeof(value),
				  arch_saved_register(kc_saved_user_regs(), number)))
		return 0;
	return value;
}

/* What the thread pointer of the current task is in user space: pthread_self() there. */
static __always_inline u64 kc_thread_pointer(void)
{
	return arch_thread_pointer((struct task_struct *)bpf_get_current_task());
}

/*
 * Whether the current task is in execve(2): its registers and, from some point on, its memory are
 * not those of one program.  A kernel without the bit says no.
 */
static __always_inline bool kc_is_in_exec(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return bpf_core_field_exists(task->in_execve) &&
	       BPF_CORE_READ_BITFIELD_PROBED(task, in_execve);
}

#endif
