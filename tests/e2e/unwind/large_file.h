// SPDX-License-Identifier: Apache-2.0
// An executable file of any size with call frame information of any size: code that is never run.
#pragma once

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/file.h"
#include "base/unique_fd.h"

namespace waggle {

class LargeFile {
 public:
  // `function_count` functions, 24 bytes of .eh_frame each; the rest of the file is a hole.
  static void write(const std::string& path, std::uint32_t function_count, std::uint64_t size) {
    LargeFile file;
    file.add_call_frames(function_count);
    file.finish(path, std::uint64_t{function_count} * kFunctionBytes, size);
  }

 private:
  static constexpr std::uint64_t kCode = 4096;  // offset and address
  static constexpr std::uint32_t kFunctionBytes = 32;

  template <class T>
  void put(T value) {
    const auto* raw = reinterpret_cast<const char*>(&value);
    bytes_.insert(bytes_.end(), raw, raw + sizeof(value));
  }

  // .eh_frame lies behind the code, in the file and in memory.
  void add_call_frames(std::uint32_t function_count) {
    const std::uint64_t start = kCode + std::uint64_t{function_count} * kFunctionBytes;
    // length, id, version, "zR", code and data alignment, return address; pcrel | sdata4.
    const unsigned char common[] = {20, 0,    0,  0, 0,    0,    0, 0, 1,    'z', 'R', 0,
                                    1,  0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1,   0,   0};
    bytes_.insert(bytes_.end(), std::begin(common), std::end(common));
    for (std::uint32_t i = 0; i < function_count; ++i) {
      put<std::uint32_t>(20);
      put(static_cast<std::uint32_t>(bytes_.size()));  // back to the common entry
      const std::uint64_t at = start + bytes_.size();
      put(static_cast<std::int32_t>(kCode + std::uint64_t{i} * kFunctionBytes - at));
      put(kFunctionBytes);
      // No augmentation; after a byte the CFA is at sp + 16 to 128, after another at sp + 8 again.
      const auto size = static_cast<unsigned char>(16 + i % 8 * 16);
      const unsigned char code[] = {0, 0x41, 0x0e, size, 0x44, 0x0e, 8, 0};
      bytes_.insert(bytes_.end(), std::begin(code), std::end(code));
    }
    put<std::uint32_t>(0);
  }

  void finish(const std::string& path, std::uint64_t code_bytes, std::uint64_t size) {
    const std::string names("\0.eh_frame\0.names", 18);
    const std::uint64_t frames_at = kCode + code_bytes;
    const std::uint64_t names_at = frames_at + bytes_.size();
    Elf64_Ehdr head{};
    std::memcpy(head.e_ident, ELFMAG, SELFMAG);
    head.e_ident[EI_CLASS] = ELFCLASS64;
    head.e_ident[EI_DATA] = ELFDATA2LSB;
    head.e_ident[EI_VERSION] = EV_CURRENT;
    head.e_type = ET_DYN;
    head.e_machine = EM_X86_64;
    head.e_version = EV_CURRENT;
    head.e_phoff = sizeof(head);
    head.e_shoff = names_at + 32;
    head.e_ehsize = sizeof(head);
    head.e_phentsize = sizeof(Elf64_Phdr);
    head.e_phnum = 1;
    head.e_shentsize = sizeof(Elf64_Shdr);
    head.e_shnum = 3;
    head.e_shstrndx = 2;
    const Elf64_Phdr code{.p_type = PT_LOAD,
                          .p_flags = PF_R | PF_X,
                          .p_offset = kCode,
                          .p_vaddr = kCode,
                          .p_paddr = kCode,
                          .p_filesz = code_bytes,
                          .p_memsz = code_bytes,
                          .p_align = kCode};
    Elf64_Shdr sections[3]{};
    sections[1] = {.sh_name = 1,
                   .sh_type = SHT_PROGBITS,
                   .sh_flags = SHF_ALLOC,
                   .sh_addr = frames_at,
                   .sh_offset = frames_at,
                   .sh_size = bytes_.size(),
                   .sh_link = 0,
                   .sh_info = 0,
                   .sh_addralign = 8,
                   .sh_entsize = 0};
    sections[2].sh_name = 11;
    sections[2].sh_type = SHT_STRTAB;
    sections[2].sh_offset = names_at;
    sections[2].sh_size = names.size();
    const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0700));
    const auto write_at = [&](std::uint64_t offset, const void* data, std::size_t count) {
      CHECK(::pwrite(fd.get(), data, count, static_cast<off_t>(offset)) ==
            static_cast<ssize_t>(count));
    };
    write_at(0, &head, sizeof(head));
    write_at(sizeof(head), &code, sizeof(code));
    write_at(frames_at, bytes_.data(), bytes_.size());
    write_at(names_at, names.data(), names.size());
    write_at(head.e_shoff, sections, sizeof(sections));
    CHECK(::ftruncate(fd.get(), static_cast<off_t>(size)) == 0);
  }

  std::vector<char> bytes_;
};

}  // namespace waggle
