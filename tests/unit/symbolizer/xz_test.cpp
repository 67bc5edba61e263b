// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/xz.h"

#include <gtest/gtest.h>
#include <lzma.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace waggle {
namespace {

std::vector<std::byte> compressed(const std::vector<std::byte>& plain, std::uint32_t preset = 6) {
  std::vector<std::byte> packed(::lzma_stream_buffer_bound(plain.size()));
  std::size_t size = 0;
  EXPECT_EQ(::lzma_easy_buffer_encode(preset, LZMA_CHECK_CRC64, nullptr,
                                      reinterpret_cast<const std::uint8_t*>(plain.data()),
                                      plain.size(), reinterpret_cast<std::uint8_t*>(packed.data()),
                                      &size, packed.size()),
            LZMA_OK);
  packed.resize(size);
  return packed;
}

TEST(DecompressXz, gives_back_what_was_packed) {
  std::vector<std::byte> plain(1 << 20);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    plain[i] = static_cast<std::byte>(i * i >> 7);
  }
  EXPECT_EQ(decompress_xz(compressed(plain), 2 << 20).value(), plain);
  EXPECT_TRUE(decompress_xz(compressed({}), 1).value().empty());
}

TEST(DecompressXz, refuses_bombs_and_large_dictionaries) {
  const std::vector<std::byte> plain(16 << 20);
  EXPECT_EQ(decompress_xz(compressed(plain), 1 << 20).error().code, Errc::exhausted);
  EXPECT_EQ(decompress_xz(compressed(plain, 9), 32 << 20).error().code, Errc::exhausted);
}

TEST(DecompressXz, refuses_what_is_cut_or_broken) {
  std::vector<std::byte> packed = compressed(std::vector<std::byte>(1000));
  for (std::size_t size = 0; size < packed.size(); ++size) {
    ASSERT_EQ(decompress_xz(Bytes(packed).first(size), 1 << 20).error().code, Errc::malformed);
  }
  packed[packed.size() / 2] ^= std::byte{1};
  EXPECT_EQ(decompress_xz(packed, 1 << 20).error().code, Errc::malformed);
}

}  // namespace
}  // namespace waggle
