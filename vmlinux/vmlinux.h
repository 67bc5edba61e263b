/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel types that bpf/ reads, and of each only the fields it reads: the list of kernel
 * internals that waggle depends on.  Kept by hand; offsets come from the running kernel's BTF
 * (CO-RE). tools/check_core_fields.py compares it with real BTF.  A type that only some kernels
 * have carries a ___suffix and is used behind an existence check in bpf/lib/kcompat.bpf.h.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;

typedef __u8 u8;
typedef __s8 s8;
typedef __u16 u16;
typedef __s16 s16;
typedef __u32 u32;
typedef __s32 s32;
typedef __u64 u64;
typedef __s64 s64;

/* The names in bpf_helper_defs.h; only their size matters here. */
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

typedef _Bool bool;
enum { false = 0, true = 1 };

/* include/uapi/linux/bpf.h: numbers that never change. */
enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
	BPF_MAP_TYPE_RINGBUF = 27,
};

enum bpf_func_id {
	BPF_FUNC_get_current_task_btf = 158,
	BPF_FUNC_task_pt_regs = 175,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1, /* bpf_map_update_elem(): only if the key is new */
	BPF_RB_NO_WAKEUP = 1,
	BPF_RB_FORCE_WAKEUP = 2,
	BPF_RB_AVAIL_DATA = 0,
	BPF_F_MMAPABLE = 0x400, /* user space may map the values */
};

/* arch/x86/include/uapi/asm/ptrace.h.  A stable layout, so no relocation. */
struct pt_regs {
	unsigned long r15;
	unsigned long r14;
	unsigned long r13;
	unsigned long r12;
	unsigned long bp;
	unsigned long bx;
	unsigned long r11;
	unsigned long r10;
	unsigned long r9;
	unsigned long r8;
	unsigned long ax;
	unsigned long cx;
	unsigned long dx;
	unsigned long si;
	unsigned long di;
	unsigned long orig_ax;
	unsigned long ip;
	unsigned long cs;
	unsigned long flags;
	unsigned long sp;
	unsigned long ss;
};

/* include/uapi/linux/bpf_perf_event.h: the context of a perf_event program. */
struct bpf_perf_event_data {
	struct pt_regs regs;
	__u64 sample_period;
	__u64 addr;
};

/* include/uapi/linux/bpf.h: the context of a raw tracepoint program. */
struct bpf_raw_tracepoint_args {
	__u64 args[0];
};

/* include/uapi/asm-generic/errno-base.h, errno.h: what map helpers return, negated. */
enum {
	E2BIG = 7,
	ENOMEM = 12,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

struct signal_struct {
	atomic_t live;
};

struct sched_entity {
	__u64 sum_exec_runtime;
};

struct thread_struct {
	unsigned long fsbase;
};

struct file;

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	unsigned long vm_flags;
	struct file *vm_file;
};

struct task_struct {
	unsigned int flags;
	void *stack;
	unsigned int in_execve : 1; /* until the new program runs */
	int pid;
	int tgid;
	struct task_struct *group_leader;
	__u64 start_boottime;
	char comm[16];
	struct signal_struct *signal;
	__u64 self_exec_id;
	struct sched_entity se;
	struct thread_struct thread;
};

/* The context of an iterator over tasks. */
struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

#endif
