// SPDX-License-Identifier: Apache-2.0
// Whole small files in, whole files out.  Not for files that other users may truncate while we
// read at an offset: see symbolizer/elf_file.h.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace waggle {

// open(2) with O_CLOEXEC added.  The error names the path.
Result<UniqueFd> open_file(const std::string& path, int flags, mode_t mode = 0);

// All of a file (procfs and sysfs too, whose size reads as 0).  More than `limit_bytes` is
// Errc::exhausted.
Result<std::string> read_file(const std::string& path, std::size_t limit_bytes);
Result<std::string> read_all(int fd, std::size_t limit_bytes);

// Fills `out` from `offset`; fewer bytes at the end of the file give a shorter count.
Result<std::size_t> read_at(int fd, std::uint64_t offset, std::span<std::byte> out);

Result<> write_all(int fd, std::string_view text);

// Writes beside `path` and renames over it: readers see the old file or the whole new one, and a
// failure leaves neither a part nor a temporary file.
Result<> write_file_atomically(const std::string& path, std::string_view text);

}  // namespace waggle
