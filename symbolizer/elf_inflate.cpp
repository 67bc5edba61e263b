// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/elf_inflate.h"

#include <elf.h>
#include <fmt/core.h>
#include <zlib.h>

#include <cstdint>

namespace waggle {

namespace {

// Deflate makes 1,032 bytes of one at best (zlib's technical notes): a header that promises more
// lies, and is found out before memory is spent on it.
constexpr std::uint64_t kMaxRatio = 1032;

}  // namespace

Result<std::vector<std::byte>> inflate_section(Bytes section, std::size_t limit_bytes) {
  ByteCursor cursor(section);
  const auto header = cursor.read<Elf64_Chdr>();
  if (!cursor.ok()) {
    return fail(Errc::malformed, "compressed section without its header");
  }
  if (header.ch_type != ELFCOMPRESS_ZLIB) {
    return fail(Errc::unsupported, fmt::format("section compression {}", header.ch_type));
  }
  if (header.ch_size > limit_bytes) {
    return fail(Errc::exhausted, fmt::format("section of {} bytes inflated", header.ch_size));
  }
  const Bytes packed = cursor.take(cursor.remaining());
  if (header.ch_size / kMaxRatio > packed.size()) {
    return fail(Errc::malformed, "compressed section that is too short for its size");
  }
  std::vector<std::byte> bytes(header.ch_size);
  uLongf size = bytes.size();
  const int status = ::uncompress(reinterpret_cast<Bytef*>(bytes.data()), &size,
                                  reinterpret_cast<const Bytef*>(packed.data()), packed.size());
  if (status != Z_OK || size != bytes.size()) {
    return fail(Errc::malformed, fmt::format("compressed section: zlib status {}", status));
  }
  return bytes;
}

}  // namespace waggle
