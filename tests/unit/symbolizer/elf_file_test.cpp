// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/elf_file.h"

#include <elf.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "symbolizer/elf_inflate.h"
#include "tests/temp_dir.h"
#include "tests/unit/symbolizer/fixture.h"

namespace waggle {
namespace {

std::vector<std::byte> bytes_of(const std::string& path) {
  const std::string text = read_file(path, 64 << 20).value();
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  return {first, first + text.size()};
}

TEST(ElfFile, knows_the_kind_of_each_program) {
  EXPECT_TRUE(open_elf(fixture("sample_pie")).is_position_independent());
  EXPECT_TRUE(open_elf(fixture("sample_static_pie")).is_position_independent());
  EXPECT_FALSE(open_elf(fixture("sample_no_pie")).is_position_independent());
  EXPECT_EQ(open_elf(fixture("sample_static")).type(), ET_EXEC);
  EXPECT_EQ(open_elf(fixture("sample_pie")).machine(), open_elf("/proc/self/exe").machine());
}

TEST(ElfFile, reads_the_build_id_with_and_without_sections) {
  for (const char* name :
       {"sample_pie", "sample_stripped", "sample_no_sections", "sample_static"}) {
    const std::string expected = output_of("readelf -nW " + fixture(name) +
                                           " 2>/dev/null | sed -n 's/.*Build ID: //p' | "
                                           "tr -d '\\n'");
    EXPECT_EQ(expected.size(), 40U);
    EXPECT_EQ(open_elf(fixture(name)).build_id(), expected) << name;
  }
}

TEST(ElfFile, turns_file_offsets_into_addresses_as_readelf_shows_segments) {
  for (const char* name : {"sample_pie", "sample_no_pie", "sample_no_sections"}) {
    const ElfFile file = open_elf(fixture(name));
    std::uint64_t offset = 0;
    std::uint64_t address = 0;
    const std::string line =
        output_of("readelf -lW " + fixture(name) + " 2>/dev/null | grep 'LOAD.*R E'");
    ASSERT_EQ(std::sscanf(line.c_str(), " LOAD 0x%lx 0x%lx", &offset, &address), 2) << line;
    EXPECT_EQ(file.address_of_offset(offset), address);
    EXPECT_EQ(file.address_of_offset(offset + 5), address + 5);
    EXPECT_FALSE(file.address_of_offset(file.size_bytes() + 4096));
    EXPECT_FALSE(file.address_of_offset(~0ULL));
  }
}

TEST(ElfFile, inflates_compressed_sections) {
  const ElfFile plain = open_elf(fixture("sample_pie"));
  const ElfFile packed = open_elf(fixture("sample_compressed"));
  const ElfSection* section = packed.find_section(".debug_info");
  ASSERT_NE(section, nullptr);
  ASSERT_NE(section->flags & SHF_COMPRESSED, 0U) << "the fixture is not compressed";
  const auto expected = plain.read_section(*plain.find_section(".debug_info"), 1 << 20).value();
  EXPECT_EQ(packed.read_section(*section, 1 << 20).value(), expected);
  EXPECT_EQ(packed.read_section(*section, expected.size() - 1).error().code, Errc::exhausted);
}

TEST(ElfFile, treats_broken_section_headers_as_missing) {
  std::vector<std::byte> bytes = bytes_of(fixture("sample_rdynamic"));
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  header.e_shoff = bytes.size() - 64;
  std::memcpy(bytes.data(), &header, sizeof(header));
  const ElfFile file = ElfFile::from_bytes(bytes).value();
  EXPECT_TRUE(file.sections().empty());
  std::optional<Error> problem;
  EXPECT_TRUE(SymbolTable::read(file, &problem).find_named("sample_global"));
  EXPECT_FALSE(problem);
}

TEST(ElfFile, says_what_it_does_not_read) {
  std::vector<std::byte> bytes = bytes_of(fixture("sample_pie"));
  bytes[EI_CLASS] = std::byte{ELFCLASS32};
  const auto file = ElfFile::from_bytes(bytes);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, Errc::unsupported);
  EXPECT_NE(file.error().what.find("class 1"), std::string::npos) << file.error().what;
  EXPECT_EQ(ElfFile::open(open_for_test(FIXTURE_SOURCE)).error().code, Errc::malformed);
}

TEST(ElfFile, refuses_every_file_cut_inside_its_headers) {
  const std::vector<std::byte> bytes = bytes_of(fixture("sample_pie"));
  for (std::size_t size = 0; size < 256; ++size) {
    const auto file = ElfFile::from_bytes({bytes.begin(), bytes.begin() + static_cast<long>(size)});
    ASSERT_FALSE(file) << size;
    EXPECT_EQ(file.error().code, Errc::malformed);
  }
}

TEST(ElfFile, refuses_special_files_without_touching_them) {
  const TempDir dir;
  const std::string fifo = dir.path() + "/fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  for (const std::string& path : {fifo, std::string("/dev/zero"), dir.path()}) {
    Result<UniqueFd> fd = open_file(path, O_RDONLY | O_NONBLOCK);
    ASSERT_TRUE(fd) << path;
    const auto file = ElfFile::open(*std::move(fd));
    ASSERT_FALSE(file) << path;
    EXPECT_EQ(file.error().code, Errc::unsupported);
  }
}

TEST(ElfFile, survives_a_file_that_becomes_shorter) {
  const TempDir dir;
  const std::string path = dir.path() + "/sample";
  ASSERT_TRUE(write_file_atomically(path, read_file(fixture("sample_pie"), 1 << 20).value()));
  const ElfFile file = open_elf(path);
  ASSERT_EQ(::truncate(path.c_str(), 100), 0);
  const auto text = file.read_section(*file.find_section(".text"), 1 << 20);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, Errc::malformed);
}

std::vector<std::byte> compressed(std::uint64_t claimed_size, const std::vector<std::byte>& plain) {
  Elf64_Chdr header{};
  header.ch_type = ELFCOMPRESS_ZLIB;
  header.ch_size = claimed_size;
  uLongf size = ::compressBound(plain.size());
  std::vector<std::byte> bytes(sizeof(header) + size);
  std::memcpy(bytes.data(), &header, sizeof(header));
  ::compress(reinterpret_cast<Bytef*>(bytes.data() + sizeof(header)), &size,
             reinterpret_cast<const Bytef*>(plain.data()), plain.size());
  bytes.resize(sizeof(header) + size);
  return bytes;
}

TEST(InflateSection, refuses_bombs_and_lies_about_the_size) {
  const std::vector<std::byte> plain(1 << 20);
  const std::size_t limit = 1 << 30;
  EXPECT_EQ(inflate_section(compressed(plain.size(), plain), limit).value(), plain);
  EXPECT_EQ(inflate_section(compressed(plain.size(), plain), 1 << 19).error().code,
            Errc::exhausted);
  EXPECT_EQ(inflate_section(compressed(plain.size() - 1, plain), limit).error().code,
            Errc::malformed);
  EXPECT_EQ(inflate_section(compressed(plain.size() + 1, plain), limit).error().code,
            Errc::malformed);
  EXPECT_EQ(inflate_section(compressed(limit, plain), limit).error().code, Errc::malformed);
  EXPECT_EQ(inflate_section({}, limit).error().code, Errc::malformed);
}

}  // namespace
}  // namespace waggle
