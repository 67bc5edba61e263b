// SPDX-License-Identifier: Apache-2.0
// What this kernel offers, found by trying or reading, never by version numbers.
// Not for what this process may do: see privileges.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace waggle {

inline constexpr const char* kKernelBtfPath = "/sys/kernel/btf/vmlinux";

std::string kernel_release();  // "6.1.0-18-amd64"
std::string libbpf_version();  // "1.1"

// Whether the kernel carries its own types, without which CO-RE programs cannot be loaded.
bool has_kernel_btf();

// Whether `path` holds types of a kernel: raw BTF, or an ELF file with a section of it.
Result<> check_kernel_btf_file(const std::string& path);

// Makes a map and loads a program of type perf_event.  The error names what was refused.
Result<> probe_bpf();

// What the kernel calls for each new mapping (kernel/events/core.c).
inline constexpr const char* kMmapFunction = "perf_event_mmap";
// Whether a program can be loaded that runs when the kernel calls that function: compilers may have
// inlined it, and kernels without ftrace trace none.
bool can_trace_function(const char* name);

// The number in /proc/sys/`name` ("kernel/perf_event_paranoid"); nothing if there is none.
std::optional<std::int64_t> find_sysctl(std::string_view name);

// Whether /proc/kallsyms tells us addresses: kptr_restrict, perf_event_paranoid and CAP_SYSLOG
// decide.
bool are_kernel_addresses_shown();

enum class Lockdown { none, integrity, confidentiality };

// Nothing where the kernel has no lockdown or securityfs is not mounted.
std::optional<Lockdown> find_lockdown();
// "none [integrity] confidentiality" -> integrity.
std::optional<Lockdown> parse_lockdown(std::string_view text);

struct MemlockLimit {
  std::uint64_t soft_bytes;  // RLIM_INFINITY: none
  std::uint64_t hard_bytes;
  bool is_for_bpf;  // kernels that charge maps to it, those before cgroup accounting
};

// Tries a map under a limit of 0 and puts the limit back: call while there is one thread.
Result<MemlockLimit> read_memlock_limit();

}  // namespace waggle
