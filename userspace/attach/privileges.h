// SPDX-License-Identifier: Apache-2.0
// What this process may do: capabilities and namespaces.  Not for what the kernel offers: see
// features.h.
#pragma once

#include <linux/capability.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace waggle {

class Capabilities {
 public:
  Capabilities() = default;
  explicit Capabilities(std::uint64_t bits) : bits_(bits) {}

  // `capability`: CAP_BPF and its like of <linux/capability.h>.
  [[nodiscard]] bool has(int capability) const { return (bits_ >> capability & 1) != 0; }
  [[nodiscard]] bool can_load_bpf() const { return has(CAP_BPF) || has(CAP_SYS_ADMIN); }
  [[nodiscard]] bool can_trace() const { return has(CAP_PERFMON) || has(CAP_SYS_ADMIN); }

 private:
  std::uint64_t bits_ = 0;
};

// The effective set of the calling thread.
Result<Capabilities> read_capabilities();
// `status`: proc_pid_status(5).
Result<Capabilities> parse_capabilities(std::string_view status);

// BPF's pids are those of the initial pid namespace; capabilities count in the initial user
// namespace alone.
Result<bool> is_in_initial_pid_namespace();
Result<bool> is_in_initial_user_namespace();

// Whether perf events of the whole host can be had.  Errc::permission or Errc::unsupported; the
// error names what is missing and the remedy.
Result<> check_can_trace();
// Whether, on top of that, BPF programs can take the stacks.  btf_path: of the kernel's types,
// where the kernel has none.  As above.
Result<> check_can_use_bpf(const std::string& btf_path);

}  // namespace waggle
