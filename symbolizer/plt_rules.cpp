// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/plt_rules.h"

#include <elf.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include "base/bytes.h"

namespace waggle {

namespace {

constexpr std::uint64_t kEntryBytes = 16;
constexpr std::int32_t kWordBytes = 8;
constexpr std::array<std::string_view, 4> kNames = {".plt", ".plt.sec", ".plt.got", ".iplt"};

// push GOT+8(%rip), of 6 bytes: the first entry of a lazy PLT, which others jump to.
constexpr std::array kPushGot = {std::byte{0xff}, std::byte{0x35}};
constexpr std::uint64_t kPushGotBytes = 6;
constexpr std::array kJumpGot = {std::byte{0xff}, std::byte{0x25}};  // jmp *GOT(%rip)
constexpr std::array kEndbr = {std::byte{0xf3}, std::byte{0x0f}, std::byte{0x1e}, std::byte{0xfa}};
// Where in an entry the push of 5 bytes ends: behind jmp *GOT or behind endbr64.
constexpr std::int16_t kPushEnd = 11;
constexpr std::int16_t kPushEndWithEndbr = 9;

unw_rule stub_rule(unw_cfa cfa, std::int32_t offset, std::int16_t addend) {
  unw_rule rule{};
  rule.cfa = static_cast<std::uint8_t>(cfa);
  rule.cfa_offset = offset;
  rule.cfa_addend = addend;
  rule.ra = UNW_SAVED_CFA;
  rule.ra_offset = -kWordBytes;
  return rule;
}

template <std::size_t size>
bool begins_with(Bytes bytes, const std::array<std::byte, size>& prefix) {
  return bytes.size() >= size && std::equal(prefix.begin(), prefix.end(), bytes.begin());
}

void add_lazy(const ElfSection& section, Bytes second_entry, std::vector<PltRule>& stubs) {
  const std::uint64_t start = section.address;
  const bool has_endbr = begins_with(second_entry, kEndbr);
  stubs.push_back({start, start + kPushGotBytes, stub_rule(UNW_CFA_SP, 2 * kWordBytes, 0)});
  stubs.push_back(
      {start + kPushGotBytes, start + kEntryBytes, stub_rule(UNW_CFA_SP, 3 * kWordBytes, 0)});
  stubs.push_back({start + kEntryBytes, start + section.size,
                   stub_rule(UNW_CFA_PLT, kWordBytes, has_endbr ? kPushEndWithEndbr : kPushEnd)});
}

}  // namespace

std::vector<PltRule> find_plt_rules(const ElfFile& file) {
  std::vector<PltRule> stubs;
  if (file.machine() != EM_X86_64) {
    return stubs;
  }
  for (const std::string_view name : kNames) {
    const ElfSection* section = file.find_section(name);
    std::uint64_t end = 0;
    if (section == nullptr || (section->flags & SHF_EXECINSTR) == 0 || section->size == 0 ||
        __builtin_add_overflow(section->address, section->size, &end)) {
      continue;
    }
    const auto bytes =
        file.read_address(section->address, std::min(section->size, 2 * kEntryBytes));
    if (!bytes) {
      continue;
    }
    if (begins_with(*bytes, kPushGot) && section->size > kEntryBytes &&
        section->address % kEntryBytes == 0) {
      add_lazy(*section, Bytes(*bytes).subspan(kEntryBytes), stubs);
    } else if (begins_with(*bytes, kJumpGot) || begins_with(*bytes, kEndbr)) {
      stubs.push_back({section->address, end, stub_rule(UNW_CFA_SP, kWordBytes, 0)});
    }
  }
  return stubs;
}

}  // namespace waggle
