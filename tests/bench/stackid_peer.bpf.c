// SPDX-License-Identifier: GPL-2.0
/*
 * What sampler_cost_bench compares waggle with, and no part of waggle: the shortest program that
 * takes both stacks of a sample, as tracing tools do.  The kernel walks frame pointers, hashes the
 * addresses and keeps each stack once.  It counts nothing.
 */
/* The types come before the helpers. */
/* clang-format off */
#include "vmlinux/vmlinux.h"
#include <bpf/bpf_helpers.h>
/* clang-format on */

/* include/uapi/linux/bpf.h */
enum {
  PEER_MAP_TYPE_STACK_TRACE = 7,
  PEER_USER_STACK = 1 << 8,
  PEER_MAX_STACKS = 16384,
  PEER_MAX_FRAMES = 127, /* user space sets it to kernel.perf_event_max_stack */
};

/* Stack id -> addresses. */
struct {
  __uint(type, PEER_MAP_TYPE_STACK_TRACE);
  __uint(max_entries, PEER_MAX_STACKS);
  __uint(key_size, sizeof(u32));
  __uint(value_size, PEER_MAX_FRAMES * sizeof(u64));
} peer_stacks SEC(".maps");

SEC("perf_event")
int peer_on_tick(struct bpf_perf_event_data* ctx) {
  bpf_get_stackid(ctx, &peer_stacks, PEER_USER_STACK);
  bpf_get_stackid(ctx, &peer_stacks, 0);
  return 0;
}

char peer_license[] SEC("license") = "GPL";
