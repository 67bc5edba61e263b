// SPDX-License-Identifier: Apache-2.0
#include "userspace/attach/bpf_handles.h"

#include <bpf/bpf.h>
#include <fmt/core.h>

#include <cerrno>

namespace waggle {

Result<BpfLink> attach_perf_event(bpf_program* program, UniqueFd event) {
  BpfLink link(bpf_program__attach_perf_event(program, event.get()));
  if (!link) {
    return fail_errno(fmt::format("attach {} to a perf event", bpf_program__name(program)), errno);
  }
  (void)event.release();  // now the link's
  return link;
}

Result<BpfLink> attach(bpf_program* program) {
  BpfLink link(bpf_program__attach(program));
  if (!link) {
    return fail_errno(fmt::format("attach {}", bpf_program__name(program)), errno);
  }
  return link;
}

Result<UniqueFd> create_map(bpf_map_type type, const char* name, std::uint32_t key_bytes,
                            std::uint32_t value_bytes, std::uint32_t max_entries,
                            std::uint32_t flags) {
  bpf_map_create_opts options{};
  options.sz = sizeof(options);
  options.map_flags = flags;
  const int fd = bpf_map_create(type, name, key_bytes, value_bytes, max_entries, &options);
  if (fd < 0) {
    return fail_errno(fmt::format("create the BPF map {}", name), -fd);
  }
  return UniqueFd(fd);
}

}  // namespace waggle
