// SPDX-License-Identifier: Apache-2.0
// One ELF file of somebody else: headers, segments, sections, build id (System V gABI 4.1 and
// the Linux extensions of elf(5)).  64-bit little-endian only.
//
// The file may be hostile, and may change while it is read: every read is a bounded pread into
// memory of ours (a mapped file that is truncated would raise SIGBUS), and every value is checked
// where it is used.  Broken section headers are treated as missing ones, as strip tools and
// packers make such files; broken program headers refuse the file.
// Not for names: see symbol_table.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace waggle {

// A part of the file that is loaded: offset and file_size in the file, address and memory_size in
// the file's own address space.  Neither range wraps around.
struct ElfSegment {
  std::uint64_t offset;
  std::uint64_t address;
  std::uint64_t file_size;
  std::uint64_t memory_size;
  std::uint32_t flags;  // PF_X | PF_W | PF_R

  [[nodiscard]] bool is_executable() const;
  [[nodiscard]] bool has_address(std::uint64_t value) const;
};

// The address, in the file's own address space, of the byte at `file_offset` (what addr2line -e
// takes).  Executable segments come first where several hold the offset.
std::optional<std::uint64_t> address_of_offset(const std::vector<ElfSegment>& segments,
                                               std::uint64_t file_offset);

struct ElfSection {
  std::string name;
  std::uint32_t type;   // SHT_*
  std::uint64_t flags;  // SHF_*
  std::uint64_t address;
  std::uint64_t offset;
  std::uint64_t size;
  std::uint32_t link;
};

class ElfFile {
 public:
  // A regular file; all else is refused before a byte is read, so that no device is touched and
  // no pipe is waited for.
  static Result<ElfFile> open(UniqueFd fd);
  static Result<ElfFile> from_bytes(std::vector<std::byte> bytes);

  [[nodiscard]] std::uint16_t machine() const { return machine_; }  // EM_*
  [[nodiscard]] std::uint16_t type() const { return type_; }        // ET_*
  [[nodiscard]] bool is_position_independent() const;
  // Lower-case hexadecimal; empty when the file has none.
  [[nodiscard]] const std::string& build_id() const { return build_id_; }
  [[nodiscard]] const std::vector<ElfSegment>& load_segments() const { return segments_; }
  [[nodiscard]] const std::vector<ElfSection>& sections() const { return sections_; }
  // Where PT_GNU_EH_FRAME says that .eh_frame_hdr is loaded.
  [[nodiscard]] std::optional<std::uint64_t> eh_frame_header() const { return eh_frame_header_; }
  [[nodiscard]] std::uint64_t size_bytes() const { return size_; }

  [[nodiscard]] std::optional<std::uint64_t> address_of_offset(std::uint64_t file_offset) const {
    return waggle::address_of_offset(segments_, file_offset);
  }

  // The first section of that name, or nullptr.
  [[nodiscard]] const ElfSection* find_section(std::string_view name) const;

  // The section's bytes, inflated if SHF_COMPRESSED says so (zlib; zstd is Errc::unsupported).
  // More than `limit_bytes` is Errc::exhausted, before anything that large is allocated.
  [[nodiscard]] Result<std::vector<std::byte>> read_section(const ElfSection& section,
                                                            std::size_t limit_bytes) const;
  // `size` bytes of a load segment, by address.
  [[nodiscard]] Result<std::vector<std::byte>> read_address(std::uint64_t address,
                                                            std::uint64_t size) const;
  // As many bytes from `address` as its segment has in the file, but `limit_bytes` at most.
  [[nodiscard]] Result<std::vector<std::byte>> read_segment_from(std::uint64_t address,
                                                                 std::size_t limit_bytes) const;
  // The bytes of PT_DYNAMIC; empty when there is none.
  [[nodiscard]] Result<std::vector<std::byte>> read_dynamic() const;

 private:
  ElfFile() = default;
  static Result<ElfFile> parse(ElfFile file);

  [[nodiscard]] Result<std::vector<std::byte>> read(std::uint64_t offset, std::uint64_t size) const;
  [[nodiscard]] Result<> read_program_headers(std::uint64_t offset, std::uint64_t count);
  [[nodiscard]] Result<> read_section_headers(std::uint64_t offset, std::uint64_t count,
                                              std::uint32_t names_index);
  void read_build_id_at(std::uint64_t offset, std::uint64_t size, std::uint64_t alignment);

  UniqueFd fd_;  // one of the two has the bytes
  std::vector<std::byte> bytes_;
  std::uint64_t size_ = 0;
  std::uint16_t machine_ = 0;
  std::uint16_t type_ = 0;
  std::string build_id_;
  std::vector<ElfSegment> segments_;
  std::vector<ElfSection> sections_;
  std::uint64_t dynamic_offset_ = 0;
  std::uint64_t dynamic_size_ = 0;
  std::optional<std::uint64_t> eh_frame_header_;
};

}  // namespace waggle
