// SPDX-License-Identifier: Apache-2.0
// Owners of libbpf's objects.
#pragma once

#include <bpf/libbpf.h>

#include <memory>

#include "base/result.h"
#include "base/unique_c.h"
#include "base/unique_fd.h"

namespace waggle {

using BpfLink = std::unique_ptr<bpf_link, Deleter<bpf_link__destroy>>;
using RingBuffer = std::unique_ptr<ring_buffer, Deleter<ring_buffer__free>>;

// bpftool gives each skeleton open, load and destroy as static members, so one template serves all.
template <class S>
struct SkeletonDeleter {
  void operator()(S* skeleton) const { S::destroy(skeleton); }
};
template <class S>
using Skeleton = std::unique_ptr<S, SkeletonDeleter<S>>;

// Starts `program` on a perf event.  The link owns the event from here on: libbpf closes it.
Result<BpfLink> attach_perf_event(bpf_program* program, UniqueFd event);

// Starts a raw tracepoint program.
Result<BpfLink> attach(bpf_program* program);

// A map of this process' own making, for example the inner map of an array of maps.
Result<UniqueFd> create_map(bpf_map_type type, const char* name, std::uint32_t key_bytes,
                            std::uint32_t value_bytes, std::uint32_t max_entries,
                            std::uint32_t flags = 0);

}  // namespace waggle
