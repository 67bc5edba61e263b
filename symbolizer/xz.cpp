// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/xz.h"

#include <fmt/core.h>
#include <lzma.h>

#include <algorithm>
#include <cstdint>
#include <memory>

#include "base/unique_c.h"

namespace waggle {

namespace {

// The default preset (-6) needs 9 MiB, the largest (-9) 65 MiB: 32 serve -8.
constexpr std::uint64_t kMaxDecoderBytes = 32 << 20;
constexpr std::size_t kChunkBytes = 256 << 10;

}  // namespace

Result<std::vector<std::byte>> decompress_xz(Bytes packed, std::size_t limit_bytes) {
  lzma_stream stream = LZMA_STREAM_INIT;
  const std::unique_ptr<lzma_stream, Deleter<lzma_end>> owner(&stream);
  lzma_ret status = ::lzma_stream_decoder(&stream, kMaxDecoderBytes, 0);
  stream.next_in = reinterpret_cast<const std::uint8_t*>(packed.data());
  stream.avail_in = packed.size();
  std::vector<std::byte> bytes;
  while (status == LZMA_OK) {
    const std::size_t done = bytes.size();
    if (done == limit_bytes) {
      return fail(Errc::exhausted, fmt::format("xz stream of more than {} bytes", limit_bytes));
    }
    bytes.resize(done + std::min(kChunkBytes, limit_bytes - done));
    stream.next_out = reinterpret_cast<std::uint8_t*>(bytes.data()) + done;
    stream.avail_out = bytes.size() - done;
    status = ::lzma_code(&stream, LZMA_FINISH);
    bytes.resize(bytes.size() - stream.avail_out);
  }
  if (status == LZMA_MEMLIMIT_ERROR) {
    return fail(Errc::exhausted, "xz stream with too large a dictionary");
  }
  if (status != LZMA_STREAM_END) {
    return fail(Errc::malformed, fmt::format("xz stream: liblzma status {}", int{status}));
  }
  return bytes;
}

}  // namespace waggle
