// SPDX-License-Identifier: Apache-2.0
#include "userspace/attach/privileges.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/file.h"
#include "base/text.h"
#include "userspace/attach/features.h"

namespace waggle {

namespace {

// include/linux/proc_ns.h, the same since 3.8.
constexpr ino_t kInitialUserInode = 0xEFFFFFFD;
constexpr ino_t kInitialPidInode = 0xEFFFFFFC;

Result<bool> has_inode(const char* path, ino_t inode) {
  struct stat status{};
  if (::stat(path, &status) != 0) {
    return fail_errno(path, errno);
  }
  return status.st_ino == inode;
}

Error missing_capabilities(const Capabilities& capabilities) {
  const std::string_view missing = capabilities.can_load_bpf() ? "CAP_PERFMON is"
                                   : capabilities.can_trace()  ? "CAP_BPF is"
                                                               : "CAP_BPF and CAP_PERFMON are";
  return {Errc::permission,
          fmt::format("{} missing: run as root, or give both capabilities", missing)};
}

}  // namespace

Result<Capabilities> parse_capabilities(std::string_view status) {
  constexpr std::string_view kName = "CapEff:\t";
  for (const std::string_view line : split(status, '\n')) {
    if (line.starts_with(kName)) {
      const auto bits = parse_number<std::uint64_t>(line.substr(kName.size()), 16);
      if (bits) {
        return Capabilities(*bits);
      }
    }
  }
  return fail(Errc::malformed, "/proc/self/status: no CapEff");
}

Result<Capabilities> read_capabilities() {
  constexpr std::size_t kMaxStatusBytes = 1 << 16;
  const std::string status = TRY(read_file("/proc/thread-self/status", kMaxStatusBytes));
  return parse_capabilities(status);
}

Result<bool> is_in_initial_pid_namespace() {
  return has_inode("/proc/self/ns/pid", kInitialPidInode);
}

Result<bool> is_in_initial_user_namespace() {
  return has_inode("/proc/self/ns/user", kInitialUserInode);
}

Result<> check_can_trace() {
  if (!TRY(is_in_initial_pid_namespace())) {
    return fail(Errc::unsupported,
                "not in the host's pid namespace, so pids would be wrong: run on the host, with "
                "--pid=host (docker) or hostPID: true (Kubernetes)");
  }
  const Capabilities capabilities = TRY(read_capabilities());
  if (!capabilities.can_trace()) {
    return std::unexpected(missing_capabilities(capabilities));
  }
  if (!TRY(is_in_initial_user_namespace())) {
    return fail(Errc::permission,
                "not in the host's user namespace, where capabilities do not count: run without "
                "user namespaces");
  }
  return {};
}

Result<> check_can_use_bpf(const std::string& btf_path) {
  const Capabilities capabilities = TRY(read_capabilities());
  if (!capabilities.can_load_bpf()) {
    return std::unexpected(missing_capabilities(capabilities));
  }
  if (find_lockdown() == Lockdown::confidentiality) {
    return fail(Errc::permission,
                "kernel lockdown is at confidentiality, which denies BPF: boot with "
                "lockdown=integrity or none");
  }
  if (!has_kernel_btf() && btf_path.empty()) {
    return fail(Errc::unsupported,
                fmt::format("BTF is missing ({}): use a kernel built with CONFIG_DEBUG_INFO_BTF, "
                            "or name a file of its types with --btf",
                            kKernelBtfPath));
  }
  if (Result<> probed = probe_bpf(); !probed) {
    return fail(probed.error().code,
                fmt::format("BPF is refused: {}: allow bpf(2) in seccomp and LSM profiles",
                            probed.error().what));
  }
  return {};
}

}  // namespace waggle
