/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which processes are sampled, and how the selection follows forks.  Selection happens before any
 * stack is taken: a process that is not selected costs one lookup.
 */
#ifndef WAGGLE_LIB_SELECT_BPF_H
#define WAGGLE_LIB_SELECT_BPF_H

#include "vmlinux/vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "bpf/abi/select.h"

/*
 * tgid -> enum sel_flags.  User space (or bpftool) adds and removes, the kernel side adds children
 * and removes the dead.  Preallocated, as perf_event programs demand: 1 entry when nothing is
 * selected.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SEL_MAX_PIDS);
	__type(key, u32);
	__type(value, u32);
} sel_pids SEC(".maps");

static __always_inline bool sel_is_pid_selected(u32 tgid)
{
	return bpf_map_lookup_elem(&sel_pids, &tgid) != 0;
}

/* Before the child runs its first instruction.  False: it could not be added. */
static __always_inline bool sel_follow_fork(struct task_struct *parent, struct task_struct *child)
{
	u32 parent_tgid = BPF_CORE_READ(parent, tgid);
	u32 child_tgid = BPF_CORE_READ(child, tgid);
	u32 *flags;

	if (child_tgid == parent_tgid)
		return true; /* a thread */
	flags = bpf_map_lookup_elem(&sel_pids, &parent_tgid);
	if (!flags || !(*flags & SEL_CHILDREN))
		return true; /* not ours */
	return bpf_map_update_elem(&sel_pids, &child_tgid, flags, 0) == 0;
}

/* When the last thread of a process ends: its pid may soon name another process. */
static __always_inline void sel_forget_exited(struct task_struct *task)
{
	u32 tgid = BPF_CORE_READ(task, tgid);

	if (BPF_CORE_READ(task, signal, live.counter) == 0)
		bpf_map_delete_elem(&sel_pids, &tgid);
}

#endif
