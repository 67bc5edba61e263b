/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which processes are sampled, and how the selection follows forks.  Selection happens before any
 * stack is taken: a process that is not selected costs one lookup, or one for each level of its
 * cgroup.  A filter that is off is dead code, which the verifier removes.
 */
#ifndef WAGGLE_LIB_SELECT_BPF_H
#define WAGGLE_LIB_SELECT_BPF_H

#include "vmlinux/vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "bpf/abi/process.h"
#include "bpf/abi/select.h"
#include "bpf/lib/kcompat.bpf.h"
#include "bpf/lib/stats.bpf.h"

const volatile __u32 sel_has_cgroups; /* only what sel_cgroups selects */
const volatile __u32 sel_has_comms;   /* only processes whose name is in sel_comms */

/* Written by user space, read at each sample. */
volatile struct sel_cgroup_state sel_state;
volatile __u32 sel_ignored; /* enum sel_filter, any number of them */

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

/* cgroup -> enum sel_cgroup_flags.  Written by user space or bpftool; 1 entry when not in use. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SEL_MAX_CGROUPS);
	__type(key, struct sel_cgroup);
	__type(value, u32);
} sel_cgroups SEC(".maps");

struct sel_comm {
	char name[PROCESS_COMM_BYTES]; /* filled up with zeros */
};

/* Name of a process' first thread -> 1.  Written by user space or bpftool; 1 entry when not in use.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SEL_MAX_COMMS);
	__type(key, struct sel_comm);
	__type(value, u32);
} sel_comms SEC(".maps");

static __always_inline bool sel_is_pid_selected(u32 tgid)
{
	return sel_ignored & SEL_FILTER_PIDS || bpf_map_lookup_elem(&sel_pids, &tgid) != 0;
}

static __always_inline bool sel_is_comm_selected(struct task_struct *task)
{
	struct task_struct *leader = kc_load(task, group_leader);
	struct sel_comm comm = {};

	if (sel_ignored & SEL_FILTER_COMMS)
		return true;
	bpf_probe_read_kernel_str(comm.name, sizeof(comm.name), leader->comm);
	return bpf_map_lookup_elem(&sel_comms, &comm) != 0;
}

/*
 * What the entries of the current task's cgroup in one hierarchy and of its ancestors say, together
 * with what holds without any.  A function of its own: the verifier looks at it once, and not for
 * each hierarchy.
 */
__noinline u32 sel_flags_in(u32 hierarchy)
{
	struct cgroup *cgroup = kc_cgroup_of(kc_current_task(), hierarchy);
	/* A start that the verifier does not know: 0 would be a state apart on each level. */
	u32 found = sel_state.otherwise;
	struct sel_cgroup key = {.hierarchy = hierarchy};
	struct cpu_stats *stats;
	u32 *flags;

	if (!cgroup)
		return found; /* this kernel lacks the controller */
	for (u32 level = 0; level < SEL_MAX_CGROUP_LEVELS; level++) {
		key.id = kc_cgroup_id(cgroup);
		if (!key.id)
			return found; /* above the root */
		flags = bpf_map_lookup_elem(&sel_cgroups, &key);
		if (flags)
			found |= level ? *flags & ~SEL_CGROUP_ALONE : *flags;
		if (found & SEL_CGROUP_EXCLUDED)
			return found;
		cgroup = kc_cgroup_parent(cgroup);
	}
	stats = stats_of_this_cpu();
	if (stats && kc_cgroup_id(cgroup))
		stats->cgroups_too_deep++;
	return found;
}

static __always_inline bool sel_is_cgroup_selected(void)
{
	u32 hierarchies = sel_state.hierarchies;
	u32 found = sel_state.otherwise;

	for (u32 hierarchy = 0; hierarchy < SEL_HIERARCHY_COUNT; hierarchy++)
		if (hierarchies >> hierarchy & 1)
			found |= sel_flags_in(hierarchy);
	return found & (SEL_CGROUP_INCLUDED | SEL_CGROUP_ALONE) && !(found & SEL_CGROUP_EXCLUDED);
}

/* A function of its own: its many paths stay apart from those of its caller. */
__noinline int sel_is_current_task_selected(void)
{
	return !(sel_has_comms && !sel_is_comm_selected(kc_current_task())) &&
	       !(sel_has_cgroups && !sel_is_cgroup_selected());
}

/* Every filter that is on, but that of pids. */
static __always_inline bool sel_is_current_selected(void)
{
	return !(sel_has_comms || sel_has_cgroups) || sel_is_current_task_selected();
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
