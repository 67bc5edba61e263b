// SPDX-License-Identifier: GPL-2.0
/*
 * Where does the CPU time go?  Runs on a perf event of each CPU, some hundred times a second, and
 * counts the stack that it finds: cpu_counts has one number for each stack, cpu_stacks tells user
 * space the frames of a stack when it is first counted.  In the steady state a sample writes one
 * number. Measured cost: docs/performance.md.
 */
#include "vmlinux/vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "bpf/abi/cpu_sampler.h"
#include "bpf/abi/frame.h"
#include "bpf/abi/markers.h"
#include "bpf/lib/arch.bpf.h"
#include "bpf/lib/kcompat.bpf.h"
#include "bpf/lib/select.bpf.h"
#include "bpf/lib/stats.bpf.h"
#include "bpf/lib/unwind.bpf.h"

const volatile struct cpu_sampler_config cpu_config;

/* cpu_count_key -> samples.  User space sets max_entries: rate x CPUs x interval, see
 * cpu_sampler.cpp. */
struct cpu_counts {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct cpu_count_key);
	__type(value, u64);
};
struct cpu_counts cpu_counts_0 SEC(".maps");
struct cpu_counts cpu_counts_1 SEC(".maps");

/* User space sets the size of the inner rings, which it makes: as many as it likes up to the CPUs.
 */
struct cpu_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
};

/* CPU modulo ring_count -> ring of struct cpu_stack. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, u32);
	__array(values, struct cpu_ring);
} cpu_stacks SEC(".maps");

static __always_inline void push_marker(struct unw_walk *w, enum marker marker)
{
	unw_push(w, frame_make(FRAME_MARKER, marker));
}

/* Puts the kernel's own stack first.  False: a part of it is missing. */
static __always_inline bool collect_kernel_stack(struct bpf_perf_event_data *ctx,
						 struct unw_walk *w, struct cpu_stats *stats)
{
	u64 *frames = w->stack.frames;
	long size = bpf_get_stack(ctx, frames, CPU_MAX_KERNEL_FRAMES * sizeof(*frames), 0);

	if (size <= 0) {
		stats->lost_kernel_stack++;
		push_marker(w, MARKER_lost_kernel_stack);
		return false;
	}
	for (u32 i = 0; i < CPU_MAX_KERNEL_FRAMES; i++) {
		if (i >= size / sizeof(*frames))
			break;
		w->hash = unw_hash(w->hash, frames[i]);
	}
	w->stack.head.frame_count = size / sizeof(*frames);
	if (w->stack.head.frame_count < CPU_MAX_KERNEL_FRAMES)
		return true;
	stats->truncated_kernel_depth++;
	push_marker(w, MARKER_truncated_kernel_depth);
	return false;
}

/* False: the user stack is not whole; its marker is in place and the reason is counted. */
static __always_inline bool collect_user_stack(struct unw_walk *w, struct cpu_stats *stats)
{
	unw_walk_user_stack(w);
	stats->unknown_mappings += w->unknown_count;
	switch (w->outcome) {
	case UNW_COMPLETE:
		return !w->is_python_lost;
	case UNW_NO_INFO:
		stats->truncated_no_unwind_info++;
		if (!w->is_marked)
			push_marker(w, MARKER_truncated_no_unwind_info);
		return false;
	case UNW_UNREADABLE:
		stats->truncated_unreadable_memory++;
		if (!w->is_marked)
			push_marker(w, MARKER_truncated_unreadable_memory);
		return false;
	default:
		stats->truncated_depth++;
		push_marker(w, MARKER_truncated_depth);
		return false;
	}
}

/*
 * From the registers of the interrupted code to those of its user side: the same, or, when the
 * event hit the kernel, those saved at kernel entry.  False: there is no user side.
 */
static __always_inline bool find_user_regs(struct arch_regs *regs, bool is_kernel_thread,
					   struct unw_walk *w)
{
	if (arch_is_user_mode(regs->cs))
		return true;
	if (is_kernel_thread)
		return false;
	if (kc_is_in_exec()) {
		push_marker(w, MARKER_exec);
		return false;
	}
	if (kc_read_user_regs(&w->saved))
		return false;
	arch_copy_regs(regs, &w->saved);
	return arch_is_user_mode(regs->cs); /* io workers have none */
}

/* Kernel frames, user frames and markers into w->stack.  False: a part is missing. */
static __always_inline bool collect_stack(struct bpf_perf_event_data *ctx, struct kc_task *task,
					  struct unw_walk *w, struct cpu_stats *stats)
{
	struct arch_regs regs;
	bool is_whole = true;

	arch_read_ctx_regs(&regs, ctx);
	w->stack.head.frame_count = 0;
	w->unknown_count = 0;
	w->is_python_lost = 0;
	if (!arch_is_user_mode(regs.cs))
		is_whole = collect_kernel_stack(ctx, w, stats);
	if (!find_user_regs(&regs, task->is_kernel_thread, w))
		return is_whole;
	if (arch_is_32bit(regs.cs)) {
		stats->process_32bit++;
		push_marker(w, MARKER_process_32bit);
		return false;
	}
	w->regs = regs.unw;
	return collect_user_stack(w, stats) && is_whole;
}

static __always_inline void *ring_of_this_cpu(void)
{
	u32 ring = bpf_get_smp_processor_id();

	if (cpu_config.ring_count)
		ring %= cpu_config.ring_count;
	return bpf_map_lookup_elem(&cpu_stacks, &ring);
}

enum {
	CPU_ASK_PAUSE_NS = 10 * 1000 * 1000,
};

/*
 * User space sleeps until a ring is half full or its own timer ends; a process whose mappings are
 * not known here may be gone by then, so it is woken for one at once, 100 times a second at most.
 */
static __always_inline u64 wakeup_flags(struct unw_walk *w, void *ring)
{
	bool is_asking = w->unknown_count && w->stack.head.time_ns - w->asked_ns > CPU_ASK_PAUSE_NS;

	if (is_asking)
		w->asked_ns = w->stack.head.time_ns;
	return is_asking || bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) > cpu_config.ring_bytes / 2
		       ? BPF_RB_FORCE_WAKEUP
		       : BPF_RB_NO_WAKEUP;
}

/* Sends the frames to user space.  False: counted as lost. */
static __always_inline bool send_stack(struct unw_walk *w, struct cpu_stats *stats)
{
	void *ring = ring_of_this_cpu();
	u64 size = w->stack.head.frame_count;

	if (!ring || size > CPU_MAX_FRAMES) {
		stats->internal++;
		return false;
	}
	w->stack.head.time_ns = bpf_ktime_get_ns();
	size = sizeof(w->stack.head) + size * sizeof(u64);
	if (bpf_ringbuf_output(ring, &w->stack, size, wakeup_flags(w, ring)) == 0) {
		stats->new_stacks++;
		return true;
	}
	/* The helper says EAGAIN for both.  A record takes 8 bytes more than its data. */
	if (bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) + size + 8 > cpu_config.ring_bytes)
		stats->ring_full++;
	else
		stats->ring_busy++;
	return false;
}

/*
 * First the frames, then the number: a count never lacks its frames, and a stack whose frames found
 * no room is tried again by its next sample.
 */
static __always_inline void count_new_stack(void *counts, struct cpu_count_key *key,
					    struct unw_walk *w, struct cpu_stats *stats)
{
	u64 one = 1;
	u64 *count;
	long error;

	if (!send_stack(w, stats))
		return;
	error = bpf_map_update_elem(counts, key, &one, BPF_NOEXIST);
	if (!error)
		return;
	count = bpf_map_lookup_elem(counts, key);
	if (count)
		__sync_fetch_and_add(count, 1); /* another CPU was first */
	else if (error == -E2BIG || error == -ENOMEM)
		stats->counts_full++;
	else
		stats->counts_busy++;
}

static __always_inline void count_sample(void *counts, struct cpu_count_key *key,
					 struct unw_walk *w, struct cpu_stats *stats)
{
	u64 *count = bpf_map_lookup_elem(counts, key);

	if (count)
		__sync_fetch_and_add(count, 1);
	else
		count_new_stack(counts, key, w, stats);
}

/* False: this run is not for us. */
static __always_inline bool is_selected(u32 tgid, struct cpu_stats *stats)
{
	if (tgid == 0) {
		stats->skipped_idle++;
		return false;
	}
	if (tgid == cpu_config.self_tgid) {
		stats->skipped_self++;
		return false;
	}
	if ((cpu_config.is_pid_filtered && !sel_is_pid_selected(tgid)) ||
	    !sel_is_current_selected()) {
		stats->skipped_not_selected++;
		return false;
	}
	return true;
}

/* Of the task that runs, which is selected. */
static __always_inline void take_sample(struct bpf_perf_event_data *ctx, struct unw_walk *w,
					u32 generation, struct cpu_stats *stats)
{
	u64 pid_tgid = bpf_get_current_pid_tgid();
	struct cpu_count_key *key;
	struct kc_task task = {};

	stats->samples++;
	kc_read_current(&task, pid_tgid >> 32);
	w->stack.head.process = task.process;
	/* Addresses of two processes that happen to be equal must not share a stack id. */
	w->hash = unw_hash(unw_hash(task.process.start_boottime_ns, task.process.tgid),
			   task.process.exec_id);
	if (!collect_stack(ctx, &task, w, stats))
		stats->truncated++;

	key = &w->key;
	key->stack_id = w->hash;
	key->process = task.process;
	if (cpu_config.is_thread_counted) {
		key->tid = pid_tgid;
		bpf_get_current_comm(key->comm, sizeof(key->comm));
	} else {
		__builtin_memcpy(key->comm, task.leader_comm, sizeof(key->comm));
	}
	w->stack.head.stack_id = w->hash;
	w->stack.head.generation = generation;
	if (generation & 1)
		count_sample(&cpu_counts_1, key, w, stats);
	else
		count_sample(&cpu_counts_0, key, w, stats);
}

SEC("perf_event")
int cpu_on_tick(struct bpf_perf_event_data *ctx)
{
	u64 begin_ns = cpu_config.is_timed ? bpf_ktime_get_ns() : 0;
	u32 generation = cpu_generation;
	struct cpu_stats *stats = stats_of_generation(generation);
	struct unw_walk *w = unw_walk_of_this_cpu();

	if (!stats || !w)
		return 0; /* cannot be: arrays have all their elements */
	stats->ticks++;
	stats->ticks_period += ctx->sample_period;
	if (is_selected(bpf_get_current_pid_tgid() >> 32, stats))
		take_sample(ctx, w, generation, stats);
	if (cpu_config.is_timed)
		stats->run_ns += bpf_ktime_get_ns() - begin_ns;
	return 0;
}

static __always_inline u64 follow_begin_ns(void)
{
	return cpu_config.is_timed ? bpf_ktime_get_ns() : 0;
}

static __always_inline void count_follow(u64 begin_ns)
{
	struct cpu_stats *stats = stats_of_this_cpu();

	if (stats && cpu_config.is_timed)
		stats->follow_ns += bpf_ktime_get_ns() - begin_ns;
}

/* Loaded only to follow children: record --children and record -- command. */
SEC("raw_tp/sched_process_fork")
int cpu_on_fork(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *parent = (void *)ctx->args[0];
	struct task_struct *child = (void *)ctx->args[1];
	struct cpu_stats *stats = stats_of_this_cpu();

	if (!sel_follow_fork(parent, child) && stats)
		stats->children_not_followed++;
	return 0;
}

/*
 * Announces the program, so that its mappings are known here before its first sample.  Announced to
 * user space by the event stream too, but without the exact start time.
 */
SEC("raw_tp/sched_process_exec")
int cpu_on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	void *ring = ring_of_this_cpu();
	struct cpu_stack announced = {};
	struct kc_task task = {};
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	u64 begin_ns = follow_begin_ns();

	(void)ctx;
	if (!ring || (cpu_config.is_pid_filtered && !sel_is_pid_selected(tgid)) ||
	    !sel_is_current_selected())
		return 0;
	kc_read_current(&task, tgid);
	announced.process = task.process;
	announced.time_ns = bpf_ktime_get_ns();
	/* No room: it is met at its first sample. */
	bpf_ringbuf_output(ring, &announced, sizeof(announced), BPF_RB_FORCE_WAKEUP);
	count_follow(begin_ns);
	return 0;
}

/*
 * Each new mapping of the host: most are left after two tests.  Not loaded where the kernel cannot
 * trace its functions.
 */
SEC("fentry/perf_event_mmap")
int cpu_on_mmap(unsigned long long *ctx)
{
	struct vm_area_struct *vma = (void *)ctx[0];
	struct kc_task task = {};
	u64 begin_ns;

	if (!(vma->vm_flags & KC_VM_EXEC) || !vma->vm_file)
		return 0;
	begin_ns = follow_begin_ns();
	kc_read_current(&task, bpf_get_current_pid_tgid() >> 32);
	maps_note_change(&task.process, vma->vm_start, vma->vm_end);
	count_follow(begin_ns);
	return 0;
}

/* Loaded only where pids are selected. */
SEC("raw_tp/sched_process_exit")
int cpu_on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	sel_forget_exited((void *)ctx->args[0]);
	return 0;
}

/* Tells of every thread of a user process, to whoever reads the iterator. */
SEC("iter/task")
int cpu_on_list(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct process_thread thread = {};

	if (!task || task->flags & KC_PF_KTHREAD)
		return 0;
	thread.process.tgid = task->tgid;
	thread.process.exec_id = task->self_exec_id;
	thread.process.start_boottime_ns = task->group_leader->start_boottime;
	thread.cpu_ns = task->se.sum_exec_runtime;
	bpf_seq_write(ctx->meta->seq, &thread, sizeof(thread)); /* no room: it is called again */
	return 0;
}

char cpu_license[] SEC("license") = "GPL";
