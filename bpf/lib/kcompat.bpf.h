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
#include "bpf/abi/select.h"
#include "bpf/lib/arch.bpf.h"

enum {
	KC_PF_KTHREAD = 0x00200000, /* include/linux/sched.h */
	KC_VM_EXEC = 0x00000004,    /* include/linux/mm.h */
};

/*
 * Whether the kernel has its own types: without them (--btf) the verifier does not know what a
 * helper returns that returns a typed pointer.
 */
const volatile __u32 kc_has_btf = 1;
#define kc_has_typed_task \
	(bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf) && kc_has_btf)

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
	if (kc_has_typed_task) {
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
 * For what is read of many objects.  5.11 (commit 3ca1032ab7ab): a plain load, of 1 ns; a bad
 * address reads as 0, as with bpf_probe_read_kernel() before.  clang cannot nest it.
 */
#define kc_load(object, field) (kc_has_typed_task ? (object)->field : BPF_CORE_READ(object, field))

static __always_inline struct task_struct *kc_current_task(void)
{
	if (kc_has_typed_task)
		return bpf_get_current_task_btf();
	return (void *)bpf_get_current_task();
}

/* The index of a controller in css_set.subsys; less than 0: the kernel was built without it. */
static __always_inline int kc_subsys_index(u32 hierarchy)
{
	switch (hierarchy) {
#define X(name, v1_name)                                                                       \
	case SEL_V1_##name:                                                                    \
		return bpf_core_enum_value_exists(enum cgroup_subsys_id___any, name##_cgrp_id) \
			       ? (int)bpf_core_enum_value(enum cgroup_subsys_id___any,         \
							  name##_cgrp_id)                      \
			       : -1;
		SEL_CONTROLLERS(X)
#undef X
	default:
		return -1;
	}
}

/* Where a task is in a hierarchy (enum sel_hierarchy); 0: the kernel does not have it. */
static __always_inline struct cgroup *kc_cgroup_of(struct task_struct *task, u32 hierarchy)
{
	struct css_set *set = kc_load(task, cgroups);
	struct cgroup_subsys_state *css;
	int index;

	if (hierarchy == SEL_V2)
		return kc_load(set, dfl_cgrp);
	index = kc_subsys_index(hierarchy);
	if (index < 0)
		return 0;
	css = kc_load(set, subsys[index]);
	return kc_load(css, cgroup);
}

/* Of a cgroup that is none: 0, as of none that is. */
static __always_inline u64 kc_cgroup_id(struct cgroup *cgroup)
{
	struct kernfs_node *node = kc_load(cgroup, kn);

	return kc_load(node, id);
}

/*
 * By way of the css: an array of the ancestors' ids became one of pointers in 6.1 (commit
 * 7f203bc89eb6).
 */
static __always_inline struct cgroup *kc_cgroup_parent(struct cgroup *cgroup)
{
	struct cgroup_subsys_state *parent = kc_load(cgroup, self.parent);

	return kc_load(parent, cgroup);
}

/*
 * Where the registers are with which the current task entered the kernel, for
 * bpf_probe_read_kernel().  5.15 (commit dd6e10fbd9fb) has a helper that knows; before, they are at
 * the top of the stack.
 */
static __always_inline void *kc_saved_user_regs(void)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs) && kc_has_btf)
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
