// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/elf_file.h"

#include <elf.h>
#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "base/file.h"
#include "symbolizer/elf_inflate.h"
#include "symbolizer/elf_note.h"

namespace waggle {

namespace {

// The kernel starts no program with more than 64 KiB of program headers.
constexpr std::uint64_t kMaxProgramHeaders = 65536 / sizeof(Elf64_Phdr);
// 4 MiB of headers.  Linked files have dozens; -ffunction-sections objects are not profiled.
constexpr std::uint64_t kMaxSections = 65536;
constexpr std::uint64_t kMaxSectionNamesBytes = 4 << 20;
// The notes of a program are some hundred bytes (core files, with megabytes, are not profiled).
constexpr std::uint64_t kMaxNotesBytes = 64 << 10;
constexpr std::uint64_t kMaxDynamicBytes = 1 << 20;

bool wraps(std::uint64_t start, std::uint64_t size) {
  return size > std::numeric_limits<std::uint64_t>::max() - start;
}

Result<> check_ident(const Elf64_Ehdr& header) {
  const unsigned char* ident = header.e_ident;
  if (!std::equal(ident, ident + SELFMAG, ELFMAG)) {
    return fail(Errc::malformed, "not an ELF file");
  }
  if (ident[EI_CLASS] != ELFCLASS64 || ident[EI_DATA] != ELFDATA2LSB) {
    return fail(Errc::unsupported, fmt::format("ELF class {}, data encoding {}: only 64-bit "
                                               "little-endian files are read",
                                               ident[EI_CLASS], ident[EI_DATA]));
  }
  return {};
}

}  // namespace

bool ElfSegment::is_executable() const {
  return (flags & PF_X) != 0;
}

bool ElfSegment::has_address(std::uint64_t value) const {
  return value >= address && value - address < memory_size;
}

std::optional<std::uint64_t> address_of_offset(const std::vector<ElfSegment>& segments,
                                               std::uint64_t file_offset) {
  const ElfSegment* found = nullptr;
  for (const ElfSegment& segment : segments) {
    const bool holds =
        file_offset >= segment.offset && file_offset - segment.offset < segment.file_size;
    if (holds && (found == nullptr || (segment.is_executable() && !found->is_executable()))) {
      found = &segment;
    }
  }
  if (found == nullptr) {
    return std::nullopt;
  }
  return found->address + (file_offset - found->offset);
}

Result<ElfFile> ElfFile::open(UniqueFd fd) {
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) {
    return fail_errno("fstat", errno);
  }
  if (!S_ISREG(status.st_mode)) {
    return fail(Errc::unsupported, "not a regular file");
  }
  ElfFile file;
  file.fd_ = std::move(fd);
  file.size_ = static_cast<std::uint64_t>(status.st_size);
  return parse(std::move(file));
}

Result<ElfFile> ElfFile::from_bytes(std::vector<std::byte> bytes) {
  ElfFile file;
  file.size_ = bytes.size();
  file.bytes_ = std::move(bytes);
  return parse(std::move(file));
}

Result<ElfFile> ElfFile::parse(ElfFile file) {
  const std::vector<std::byte> raw = TRY(file.read(0, std::min(file.size_, sizeof(Elf64_Ehdr))));
  if (raw.size() < sizeof(Elf64_Ehdr)) {
    return fail(Errc::malformed, fmt::format("not an ELF file: {} bytes", raw.size()));
  }
  const auto header = ByteCursor(raw).read<Elf64_Ehdr>();
  TRY(check_ident(header));
  file.machine_ = header.e_machine;
  file.type_ = header.e_type;

  // Counts that do not fit 16 bits are in the first section header (gABI, "Extended numbering").
  Elf64_Shdr first{};
  if (header.e_shoff != 0 && header.e_shentsize == sizeof(Elf64_Shdr)) {
    if (const auto bytes = file.read(header.e_shoff, sizeof(Elf64_Shdr))) {
      first = ByteCursor(*bytes).read<Elf64_Shdr>();
    }
  }
  const std::uint64_t segment_count = header.e_phnum == PN_XNUM ? first.sh_info : header.e_phnum;
  if (segment_count != 0) {
    if (header.e_phentsize != sizeof(Elf64_Phdr)) {
      return fail(Errc::malformed, fmt::format("program headers of {} bytes", header.e_phentsize));
    }
    TRY(file.read_program_headers(header.e_phoff, segment_count));
  }
  if (header.e_shoff != 0 && header.e_shentsize == sizeof(Elf64_Shdr)) {
    const Result<> read = file.read_section_headers(
        header.e_shoff, header.e_shnum == 0 ? first.sh_size : header.e_shnum,
        header.e_shstrndx == SHN_XINDEX ? first.sh_link : header.e_shstrndx);
    if (!read) {
      file.sections_.clear();  // as if stripped
    }
  }
  return file;
}

Result<std::vector<std::byte>> ElfFile::read(std::uint64_t offset, std::uint64_t size) const {
  if (offset > size_ || size > size_ - offset) {
    return fail(Errc::malformed,
                fmt::format("{} bytes at {:#x} pass the end of the file", size, offset));
  }
  if (!fd_.is_open()) {
    const Bytes part = Bytes(bytes_).subspan(offset, size);
    return std::vector<std::byte>(part.begin(), part.end());
  }
  std::vector<std::byte> bytes(size);
  if (TRY(read_at(fd_.get(), offset, bytes)) != size) {
    return fail(Errc::malformed, "the file became shorter while it was read");
  }
  return bytes;
}

Result<> ElfFile::read_program_headers(std::uint64_t offset, std::uint64_t count) {
  if (count > kMaxProgramHeaders) {
    return fail(Errc::malformed, fmt::format("{} program headers", count));
  }
  const std::vector<std::byte> raw = TRY(read(offset, count * sizeof(Elf64_Phdr)));
  ByteCursor cursor(raw);
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto header = cursor.read<Elf64_Phdr>();
    if (wraps(header.p_offset, header.p_filesz) || wraps(header.p_vaddr, header.p_memsz)) {
      continue;  // the kernel maps no such segment
    }
    if (header.p_type == PT_LOAD) {
      segments_.push_back(
          {header.p_offset, header.p_vaddr, header.p_filesz, header.p_memsz, header.p_flags});
    } else if (header.p_type == PT_NOTE) {
      read_build_id_at(header.p_offset, header.p_filesz, header.p_align);
    } else if (header.p_type == PT_DYNAMIC) {
      dynamic_offset_ = header.p_offset;
      dynamic_size_ = header.p_filesz;
    } else if (header.p_type == PT_GNU_EH_FRAME) {
      eh_frame_header_ = header.p_vaddr;
    }
  }
  return {};
}

Result<> ElfFile::read_section_headers(std::uint64_t offset, std::uint64_t count,
                                       std::uint32_t names_index) {
  if (count > kMaxSections) {
    return fail(Errc::exhausted, fmt::format("{} sections", count));
  }
  const std::vector<std::byte> raw = TRY(read(offset, count * sizeof(Elf64_Shdr)));
  std::vector<Elf64_Shdr> headers(count);
  ByteCursor cursor(raw);
  for (Elf64_Shdr& header : headers) {
    header = cursor.read<Elf64_Shdr>();
  }
  std::vector<std::byte> names;
  if (names_index < count && headers[names_index].sh_type == SHT_STRTAB &&
      headers[names_index].sh_size <= kMaxSectionNamesBytes) {
    names = TRY(read(headers[names_index].sh_offset, headers[names_index].sh_size));
  }
  std::size_t names_bytes = 0;
  for (const Elf64_Shdr& header : headers) {
    const std::string_view name =
        checked_string(names, header.sh_name).value_or(std::string_view());
    names_bytes += name.size();
    if (names_bytes > kMaxSectionNamesBytes) {
      return fail(Errc::exhausted, "section names that overlap");
    }
    sections_.push_back({std::string(name), header.sh_type, header.sh_flags, header.sh_addr,
                         header.sh_offset, header.sh_size, header.sh_link});
    if (header.sh_type == SHT_NOTE && name == ".note.gnu.build-id") {
      read_build_id_at(header.sh_offset, header.sh_size, header.sh_addralign);
    }
  }
  return {};
}

void ElfFile::read_build_id_at(std::uint64_t offset, std::uint64_t size, std::uint64_t alignment) {
  if (!build_id_.empty() || size > kMaxNotesBytes) {
    return;
  }
  if (const auto notes = read(offset, size)) {
    build_id_ = find_build_id(*notes, alignment).value_or(std::string());
  }
}

bool ElfFile::is_position_independent() const {
  return type_ == ET_DYN;
}

const ElfSection* ElfFile::find_section(std::string_view name) const {
  const auto found = std::ranges::find(sections_, name, &ElfSection::name);
  return found == sections_.end() ? nullptr : &*found;
}

Result<std::vector<std::byte>> ElfFile::read_section(const ElfSection& section,
                                                     std::size_t limit_bytes) const {
  if (section.type == SHT_NOBITS) {
    return std::vector<std::byte>();  // as in a file that keeps only debug information
  }
  if (section.size > limit_bytes) {
    return fail(Errc::exhausted, fmt::format("section of {} bytes", section.size));
  }
  std::vector<std::byte> bytes = TRY(read(section.offset, section.size));
  if ((section.flags & SHF_COMPRESSED) == 0) {
    return bytes;
  }
  return inflate_section(bytes, limit_bytes);
}

Result<std::vector<std::byte>> ElfFile::read_address(std::uint64_t address,
                                                     std::uint64_t size) const {
  for (const ElfSegment& segment : segments_) {
    const std::uint64_t skipped = address - segment.address;
    if (address >= segment.address && skipped <= segment.file_size &&
        size <= segment.file_size - skipped) {
      return read(segment.offset + skipped, size);
    }
  }
  return fail(Errc::malformed,
              fmt::format("{} bytes at address {:#x} are in no segment", size, address));
}

Result<std::vector<std::byte>> ElfFile::read_segment_from(std::uint64_t address,
                                                          std::size_t limit_bytes) const {
  for (const ElfSegment& segment : segments_) {
    const std::uint64_t skipped = address - segment.address;
    if (address >= segment.address && skipped < segment.file_size) {
      const std::uint64_t offset = segment.offset + skipped;
      const std::uint64_t in_file = offset < size_ ? size_ - offset : 0;
      return read(offset,
                  std::min({segment.file_size - skipped, in_file, std::uint64_t{limit_bytes}}));
    }
  }
  return fail(Errc::malformed, fmt::format("address {:#x} is in no segment", address));
}

Result<std::vector<std::byte>> ElfFile::read_dynamic() const {
  if (dynamic_size_ > kMaxDynamicBytes) {
    return fail(Errc::exhausted, fmt::format("dynamic section of {} bytes", dynamic_size_));
  }
  return read(dynamic_offset_, dynamic_size_);
}

}  // namespace waggle
