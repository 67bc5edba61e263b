// SPDX-License-Identifier: Apache-2.0
// ELF (gABI), and three things that runtimes put into their files: Go's build information
// (debug/buildinfo), CPython's Py_Version and Ruby's ruby_description, which are exported.
#include "userspace/metadata/application_files.h"

#include <elf.h>
#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/text.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/elf_symbols.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxText = 256;
constexpr std::size_t kMaxRodata = std::size_t{96} << 20;

std::optional<struct stat> status_of(int fd) {
  struct stat status{};
  return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) ? std::optional(status)
                                                              : std::nullopt;
}

std::int64_t changed_ns(const struct stat& status) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  return status.st_ctim.tv_sec * kSecond + status.st_ctim.tv_nsec;
}

// Also of files that ElfFile does not read: e_machine is where it is in all of them.
std::string arch_of(int fd) {
  std::array<std::byte, 20> header{};
  const auto size = read_at(fd, 0, header);
  if (!size || *size != header.size() || std::memcmp(header.data(), ELFMAG, SELFMAG) != 0) {
    return "";
  }
  switch (std::to_integer<unsigned>(header[18]) | std::to_integer<unsigned>(header[19]) << 8) {
    case EM_X86_64:
      return "x64";
    case EM_386:
      return "x86";
    case EM_AARCH64:
      return "AArch64";
    case EM_ARM:
      return "ARM";
    default:
      return "<unknown>";
  }
}

std::string text_at(const ElfFile& file, std::uint64_t address) {
  const auto bytes = file.read_segment_from(address, kMaxText);
  const auto text = bytes ? checked_string(*bytes, 0) : std::nullopt;
  return text ? printable(*text) : "";
}

// PY_VERSION_HEX: major, minor and micro, a byte each.
std::string python_text(const ElfFile& file, std::uint64_t address) {
  const auto bytes = file.read_address(address, sizeof(std::uint64_t));
  if (!bytes) {
    return "";
  }
  const auto hex = ByteCursor(*bytes).read<std::uint64_t>();
  return fmt::format("Python {}.{}.{}", hex >> 24 & 0xff, hex >> 16 & 0xff, hex >> 8 & 0xff);
}

void read_exports(const ElfFile& file, ApplicationFile& told) {
  const auto raw = read_raw_symbols(file, SHT_DYNSYM);
  if (!raw) {
    return;
  }
  ByteCursor cursor(raw->symbols);
  while (cursor.remaining() >= sizeof(Elf64_Sym)) {
    const auto symbol = cursor.read<Elf64_Sym>();
    const auto name =
        symbol.st_shndx == SHN_UNDEF ? std::nullopt : checked_string(raw->strings, symbol.st_name);
    if (name == "Py_Version") {
      told.python = python_text(file, symbol.st_value);
    } else if (name == "ruby_description") {
      told.ruby = text_at(file, symbol.st_value);
    }
  }
}

std::string libc_of(const ElfFile& file) {
  const ElfSection* interpreter = file.find_section(".interp");
  const auto bytes =
      interpreter == nullptr ? std::nullopt : std::optional(file.read_section(*interpreter, 4096));
  const auto path = bytes && *bytes ? checked_string(**bytes, 0) : std::nullopt;
  return !path                        ? ""
         : path->contains("ld-musl")  ? "musl"
         : path->contains("ld-linux") ? "glibc"
                                      : "";
}

ApplicationFile look_at(UniqueFd fd) {
  ApplicationFile told;
  told.arch = arch_of(fd.get());
  const auto file = ElfFile::open(std::move(fd));
  if (!file) {
    return told;
  }
  told.build_id = file->build_id();
  told.is_stripped = file->find_section(".symtab") == nullptr;
  told.is_dynamic = file->find_section(".interp") != nullptr;
  told.libc = libc_of(*file);
  if (const ElfSection* info = file->find_section(".go.buildinfo")) {
    told.is_go = true;
    constexpr std::size_t kMaxBuildInfo = std::size_t{1} << 20;
    const auto bytes = file->read_section(*info, kMaxBuildInfo);
    told.go_version = bytes ? parse_go_build_info(*bytes).value_or("") : "";
  }
  read_exports(*file, told);
  return told;
}

// "v20.1.2".
bool is_node_version(std::string_view text) {
  constexpr std::size_t kMaxDigits = 3;
  if (!text.starts_with('v')) {
    return false;
  }
  const auto parts = split(text.substr(1), '.');
  return parts.size() == 3 && std::ranges::all_of(parts, [](std::string_view part) {
           return !part.empty() && part.size() <= kMaxDigits &&
                  part.find_first_not_of("0123456789") == std::string_view::npos;
         });
}

}  // namespace

std::optional<std::string> parse_go_build_info(Bytes section) {
  constexpr std::string_view kMagic = "\xff Go buildinf:";
  constexpr std::size_t kTextOffset = 32;
  constexpr unsigned kHasText = 2;
  if (section.size() < kTextOffset ||
      std::memcmp(section.data(), kMagic.data(), kMagic.size()) != 0 ||
      (std::to_integer<unsigned>(section[15]) & kHasText) == 0) {
    return std::nullopt;
  }
  ByteCursor cursor(section.subspan(kTextOffset));
  const std::uint64_t size = cursor.read_uleb128();
  if (!cursor.ok() || size == 0 || size > kMaxText) {
    return std::nullopt;
  }
  const Bytes text = cursor.take(static_cast<std::size_t>(size));
  if (!cursor.ok()) {
    return std::nullopt;
  }
  return printable({reinterpret_cast<const char*>(text.data()), text.size()});
}

void NodeVersionTexts::add(Bytes data) {
  constexpr std::string_view kBefore = "node.js/";
  constexpr std::size_t kLongest = 12;  // "v123.123.123"
  const std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
  for (std::size_t at = text.find(kBefore); at != std::string_view::npos;
       at = text.find(kBefore, at + 1)) {
    const std::string_view rest = text.substr(at + kBefore.size(), kLongest + 1);
    const std::size_t end = rest.find('\0');
    if (end == std::string_view::npos || !is_node_version(rest.substr(0, end))) {
      continue;
    }
    are_several_ |= !found_.empty() && found_ != rest.substr(0, end);
    found_ = rest.substr(0, end);
  }
}

std::optional<std::string> NodeVersionTexts::only() const {
  return found_.empty() || are_several_ ? std::nullopt : std::optional(found_);
}

ApplicationFiles::Known* ApplicationFiles::find_known(const Key& key) {
  const auto known = known_.find(key);
  if (known == known_.end()) {
    return nullptr;
  }
  order_.splice(order_.begin(), order_, known->second.place);
  return &known->second;
}

ApplicationFiles::Known& ApplicationFiles::remember(const Key& key) {
  if (known_.size() >= kMaxFiles) {
    known_.erase(order_.back());
    order_.pop_back();
  }
  order_.push_front(key);
  Known& known = known_[key];
  known.place = order_.begin();
  return known;
}

const ApplicationFile* ApplicationFiles::find(UniqueFd fd) {
  const auto status = status_of(fd.get());
  if (!status) {
    return nullptr;
  }
  const Key key{.device = status->st_dev,
                .inode = status->st_ino,
                .changed_ns = changed_ns(*status),
                .is_node = false};
  if (Known* known = find_known(key)) {
    return &known->file;
  }
  Known& known = remember(key);
  known.file = look_at(std::move(fd));
  return &known.file;
}

std::string ApplicationFiles::find_node_version(UniqueFd fd) {
  const auto status = status_of(fd.get());
  if (!status) {
    return "";
  }
  const Key key{.device = status->st_dev,
                .inode = status->st_ino,
                .changed_ns = changed_ns(*status),
                .is_node = true};
  if (Known* known = find_known(key)) {
    return known->node_version;
  }
  Known& known = remember(key);
  const auto file = ElfFile::open(std::move(fd));
  const ElfSection* data = file ? file->find_section(".rodata") : nullptr;
  if (data == nullptr || data->size > kMaxRodata) {
    return "";
  }
  constexpr std::uint64_t kPiece = std::uint64_t{1} << 20;
  constexpr std::uint64_t kOverlap = 32;  // more than such a text
  NodeVersionTexts texts;
  for (std::uint64_t at = 0; at < data->size; at += kPiece) {
    const std::uint64_t size = std::min(kPiece + kOverlap, data->size - at);
    const auto piece = file->read_address(data->address + at, size);
    if (!piece) {
      return "";
    }
    texts.add(*piece);
  }
  known.node_version = texts.only().value_or("");
  return known.node_version;
}

}  // namespace waggle
