// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/vdso.h"

#include <sys/auxv.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/file.h"
#include "base/text.h"

namespace waggle {

namespace {

// Some thousand mappings; a profiler has a hundred.
constexpr std::size_t kMaxMapsBytes = 1 << 20;
// Two pages today.
constexpr std::uint64_t kMaxVdsoBytes = 1 << 20;

// The end of the mapping that starts at `start`, from "start-end perms ..." lines, or 0.
std::uint64_t find_mapping_end(std::string_view maps, std::uint64_t start) {
  for (const std::string_view line : split(maps, '\n')) {
    const std::size_t dash = line.find('-');
    const std::size_t space = line.find(' ');
    if (dash >= space || space == std::string_view::npos) {
      continue;
    }
    if (parse_number<std::uint64_t>(line.substr(0, dash), 16) == start) {
      return parse_number<std::uint64_t>(line.substr(dash + 1, space - dash - 1), 16).value_or(0);
    }
  }
  return 0;
}

}  // namespace

Result<std::vector<std::byte>> read_vdso() {
  const std::uint64_t start = ::getauxval(AT_SYSINFO_EHDR);
  if (start == 0) {
    return fail(Errc::not_found, "this process has no vDSO");
  }
  const std::string maps = TRY(read_file("/proc/self/maps", kMaxMapsBytes));
  const std::uint64_t end = find_mapping_end(maps, start);
  if (end <= start || end - start > kMaxVdsoBytes) {
    return fail(Errc::malformed, "the vDSO is in no mapping of this process");
  }
  const Bytes bytes(reinterpret_cast<const std::byte*>(start), end - start);
  return std::vector<std::byte>(bytes.begin(), bytes.end());
}

Result<Module> load_vdso() {
  Result<Module> module = Module::load_bytes(TRY(read_vdso()));
  if (!module) {
    return add_context("vDSO", std::move(module).error());
  }
  return module;
}

}  // namespace waggle
