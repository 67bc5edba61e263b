// SPDX-License-Identifier: Apache-2.0
#include "userspace/attach/features.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/bpf.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include "base/file.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "userspace/attach/libbpf_log.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxProcFileBytes = 1 << 20;

// Past libbpf, which raises RLIMIT_MEMLOCK by itself where maps are charged to it.
Result<UniqueFd> create_map() {
  bpf_attr attr{};
  attr.map_type = BPF_MAP_TYPE_ARRAY;
  attr.key_size = sizeof(std::uint32_t);
  attr.value_size = sizeof(std::uint64_t);
  attr.max_entries = 1;
  const long fd = ::syscall(__NR_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
  if (fd < 0) {
    return fail_errno("create a BPF map", errno);
  }
  return UniqueFd(static_cast<int>(fd));
}

std::optional<std::string> find_text(const std::string& path) {
  Result<std::string> text = read_file(path, kMaxProcFileBytes);
  if (!text) {
    return std::nullopt;
  }
  while (text->ends_with('\n')) {
    text->pop_back();
  }
  return *std::move(text);
}

// r0 = 0; exit
constexpr auto kProgram = std::to_array<bpf_insn>({
    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
    {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
});

}  // namespace

std::string kernel_release() {
  utsname names{};
  return ::uname(&names) == 0 ? names.release : "unknown";
}

std::string libbpf_version() {
  return fmt::format("{}.{}", ::libbpf_major_version(), ::libbpf_minor_version());
}

bool has_kernel_btf() {
  return ::access(kKernelBtfPath, R_OK) == 0;
}

Result<> check_kernel_btf_file(const std::string& path) {
  TRY(open_file(path, O_RDONLY));
  const LibbpfLog log;  // what libbpf says of it is for nobody, and its errors have no text
  const std::unique_ptr<btf, decltype(&btf__free)> types(btf__parse(path.c_str(), nullptr),
                                                         &btf__free);
  if (!types) {
    return fail(Errc::malformed, fmt::format("{} has no BTF", path));
  }
  if (btf__find_by_name_kind(types.get(), "task_struct", BTF_KIND_STRUCT) < 0) {
    return fail(Errc::malformed, fmt::format("{} has BTF, but not of a kernel", path));
  }
  return {};
}

bool can_trace_function(const char* name) {
  const int id = ::libbpf_find_vmlinux_btf_id(name, BPF_TRACE_FENTRY);
  if (id <= 0) {
    return false;
  }
  bpf_prog_load_opts options{};
  options.sz = sizeof(options);
  options.expected_attach_type = BPF_TRACE_FENTRY;
  options.attach_btf_id = static_cast<std::uint32_t>(id);
  const UniqueFd program(::bpf_prog_load(BPF_PROG_TYPE_TRACING, "waggle_probe", "GPL",
                                         kProgram.data(), kProgram.size(), &options));
  return program.is_open();
}

Result<> probe_bpf() {
  if (Result<UniqueFd> map = create_map(); !map) {
    // Where maps are charged to RLIMIT_MEMLOCK, others of this user may have used it up.
    if (map.error().code != Errc::permission) {
      return std::unexpected(std::move(map).error());
    }
    const UniqueFd raised(::bpf_map_create(BPF_MAP_TYPE_ARRAY, "waggle_probe",
                                           sizeof(std::uint32_t), sizeof(std::uint64_t), 1,
                                           nullptr));
    if (!raised.is_open()) {
      return fail_errno("create a BPF map", errno);
    }
  }
  const int fd = ::bpf_prog_load(BPF_PROG_TYPE_PERF_EVENT, "waggle_probe", "GPL", kProgram.data(),
                                 kProgram.size(), nullptr);
  if (fd < 0) {
    return fail_errno("load a BPF program", -fd);
  }
  (void)UniqueFd(fd);  // it was loaded, that is all we ask
  return {};
}

std::optional<std::int64_t> find_sysctl(std::string_view name) {
  const auto text = find_text(fmt::format("/proc/sys/{}", name));
  return text ? parse_number<std::int64_t>(*text) : std::nullopt;
}

bool are_kernel_addresses_shown() {
  const Result<UniqueFd> file = open_file("/proc/kallsyms", O_RDONLY);
  if (!file) {
    return false;
  }
  // The first symbols may truly be at 0 (those of per-CPU data), the whole first page never.
  std::array<std::byte, 65536> page;
  const Result<std::size_t> size = read_at(file->get(), 0, page);
  const std::string_view text(reinterpret_cast<const char*>(page.data()), size ? *size : 0);
  return std::ranges::any_of(split(text, '\n'), [](std::string_view line) {
    return parse_number<std::uint64_t>(line.substr(0, line.find(' ')), 16).value_or(0) != 0;
  });
}

std::optional<Lockdown> parse_lockdown(std::string_view text) {
  const std::size_t open = text.find('[');
  const std::size_t close = text.find(']', open);
  if (open == std::string_view::npos || close == std::string_view::npos) {
    return std::nullopt;
  }
  constexpr auto kNames = std::to_array<std::string_view>({"none", "integrity", "confidentiality"});
  const auto found = std::ranges::find(kNames, text.substr(open + 1, close - open - 1));
  if (found == kNames.end()) {
    return std::nullopt;
  }
  return static_cast<Lockdown>(found - kNames.begin());
}

std::optional<Lockdown> find_lockdown() {
  const auto text = find_text("/sys/kernel/security/lockdown");
  return text ? parse_lockdown(*text) : std::nullopt;
}

Result<MemlockLimit> read_memlock_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0) {
    return fail_errno("getrlimit", errno);
  }
  const bool has_map_before = create_map().has_value();
  const rlimit nothing = {.rlim_cur = 0, .rlim_max = limit.rlim_max};
  if (::setrlimit(RLIMIT_MEMLOCK, &nothing) != 0) {
    return fail_errno("setrlimit", errno);
  }
  const bool has_map_under_zero = create_map().has_value();
  if (::setrlimit(RLIMIT_MEMLOCK, &limit) != 0) {  // lowering and back needs no privilege
    return fail_errno("setrlimit", errno);
  }
  return MemlockLimit{.soft_bytes = limit.rlim_cur,
                      .hard_bytes = limit.rlim_max,
                      .is_for_bpf = has_map_before && !has_map_under_zero};
}

}  // namespace waggle
