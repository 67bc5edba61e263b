/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Which processes are sampled: the contents of the maps sel_pids, sel_cgroups and sel_comms. */
#ifndef WAGGLE_ABI_SELECT_H
#define WAGGLE_ABI_SELECT_H

#include "bpf/abi/abi.h"

/* sel_pids: tgid -> flags.  A process that ends is removed by the kernel side. */
enum sel_flags {
	SEL_ONLY = 0,	  /* this process */
	SEL_CHILDREN = 1, /* and those it forks from now on, with the same flag */
};

/*
 * The controllers by which a hierarchy of cgroup v1 is known: X(the kernel's name, v1's name), in
 * the order in which a relative path is looked for.
 */
#define SEL_CONTROLLERS(X)          \
	X(cpu, "cpu")               \
	X(cpuacct, "cpuacct")       \
	X(memory, "memory")         \
	X(pids, "pids")             \
	X(cpuset, "cpuset")         \
	X(io, "blkio")              \
	X(devices, "devices")       \
	X(freezer, "freezer")       \
	X(net_cls, "net_cls")       \
	X(perf_event, "perf_event") \
	X(net_prio, "net_prio")     \
	X(hugetlb, "hugetlb")       \
	X(rdma, "rdma")             \
	X(misc, "misc")

enum sel_hierarchy {
	SEL_V2 = 0,
#define X(name, v1_name) SEL_V1_##name,
	SEL_CONTROLLERS(X)
#undef X
		SEL_HIERARCHY_COUNT
};

/* sel_cgroups: this -> flags.  The numbers of two hierarchies can be equal. */
struct sel_cgroup {
	__u64 id;	 /* of the kernfs node: the inode of the cgroup's directory */
	__u32 hierarchy; /* enum sel_hierarchy */
	__u32 pad_;
};
ABI_ASSERT(sizeof(struct sel_cgroup) == 16, "sel_cgroup has no padding");

/* Of a cgroup and all below it.  One that excludes has the last word, wherever it is found. */
enum sel_cgroup_flags {
	SEL_CGROUP_INCLUDED = 1,
	SEL_CGROUP_EXCLUDED = 2,
	SEL_CGROUP_ALONE = 4, /* included without what lies below */
};

/* How sel_cgroups is read; user space may change it at any time. */
struct sel_cgroup_state {
	__u32 hierarchies; /* bit n: entries of enum sel_hierarchy n are looked for */
	__u32 otherwise;   /* enum sel_cgroup_flags of a task that no entry names */
};
ABI_ASSERT(sizeof(struct sel_cgroup_state) == 8, "sel_cgroup_state has no padding");

/* Filters that are on and let everything through for now: bits of sel_ignored. */
enum sel_filter {
	SEL_FILTER_PIDS = 1,
	SEL_FILTER_COMMS = 2,
};

enum {
	SEL_MAX_PIDS = 16384,
	SEL_MAX_CGROUPS = 4096,
	SEL_MAX_COMMS = 256,
	SEL_MAX_CGROUP_LEVELS = 64, /* compared, from the task's own cgroup upwards */
};

#endif
