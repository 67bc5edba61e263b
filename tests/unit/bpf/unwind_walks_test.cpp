// SPDX-License-Identifier: Apache-2.0
// Stacks of real programs (tests/programs), recorded at an instant: the registers, the words of
// memory that a walk reads, and the frames with their rules, whose names were compared with the
// program's source.  A walk over this memory must give these frames again.
//
//   registers IP SP FP RBX
//   frame IP  CFA OFFSET ADDEND FP OFFSET RA OFFSET OTHER SIGNAL SPARE  # name
//   word ADDRESS VALUE
//   outcome NUMBER                 enum unw_outcome
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/unit/bpf/fake_stack.h"
#include "tests/unit/bpf/stack_walk.h"

namespace waggle {
namespace {

struct Recorded {
  unw_registers registers{};
  std::uint64_t rbx = 0;
  std::vector<std::uint64_t> ips;
  std::vector<unw_rule> rules;
  unw_memory memory;
  int outcome = -1;
};

std::uint64_t read_hex(std::istream& in) {
  std::string word;
  in >> word;
  return std::stoull(word, nullptr, 16);
}

unw_rule read_rule(std::istream& in) {
  std::int64_t fields[10] = {};
  for (std::int64_t& field : fields) {
    in >> field;
  }
  unw_rule rule{};
  rule.cfa = static_cast<std::uint8_t>(fields[0]);
  rule.cfa_offset = static_cast<std::int32_t>(fields[1]);
  rule.cfa_addend = static_cast<std::int16_t>(fields[2]);
  rule.fp = static_cast<std::uint8_t>(fields[3]);
  rule.fp_offset = static_cast<std::int16_t>(fields[4]);
  rule.ra = static_cast<std::uint8_t>(fields[5]);
  rule.ra_offset = static_cast<std::int16_t>(fields[6]);
  rule.other_register = static_cast<std::uint8_t>(fields[7]);
  rule.is_signal_frame = static_cast<std::uint8_t>(fields[8]);
  rule.spare = static_cast<std::uint8_t>(fields[9]);
  return rule;
}

Recorded read_recorded(const std::string& name) {
  Recorded recorded;
  std::ifstream file(std::string(WALKS) + "/" + name + ".walk");
  for (std::string line; std::getline(file, line);) {
    std::istringstream in(line);
    std::string kind;
    in >> kind;
    if (kind == "registers") {
      recorded.registers.ip = read_hex(in);
      recorded.registers.sp = read_hex(in);
      recorded.registers.fp = read_hex(in);
      recorded.rbx = read_hex(in);
    } else if (kind == "frame") {
      recorded.ips.push_back(read_hex(in));
      recorded.rules.push_back(read_rule(in));
    } else if (kind == "word") {
      const std::uint64_t address = read_hex(in);
      recorded.memory.words[address] = read_hex(in);
    } else if (kind == "outcome") {
      in >> recorded.outcome;
    }
  }
  return recorded;
}

std::vector<std::string> recorded_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(WALKS)) {
    names.push_back(entry.path().stem());
  }
  std::ranges::sort(names);
  return names;
}

class UnwindWalks : public testing::TestWithParam<std::string> {};

TEST_P(UnwindWalks, give_the_recorded_frames) {
  Recorded recorded = read_recorded(GetParam());
  ASSERT_GT(recorded.ips.size(), 1U);
  std::map<std::uint64_t, unw_rule> rules;  // by the address that is looked up
  for (std::size_t i = 0; i < recorded.ips.size(); ++i) {
    const bool is_return_address = i != 0 && recorded.rules[i - 1].is_signal_frame == 0;
    rules[recorded.ips[i] - (is_return_address ? 1 : 0)] = recorded.rules[i];
  }
  const StackWalk walk = walk_stack(
      recorded.memory, recorded.registers, 1000,
      [&](std::uint64_t address) {
        const auto found = rules.find(address);
        EXPECT_NE(found, rules.end()) << std::hex << address;
        return found == rules.end() ? unw_rule{} : found->second;
      },
      [&](unsigned number) {
        EXPECT_EQ(number, 3U);  // rbx
        return recorded.rbx;
      });
  const std::vector<std::uint64_t> callers(recorded.ips.begin() + 1, recorded.ips.end());
  EXPECT_EQ(walk.callers, callers);
  EXPECT_EQ(walk.outcome, recorded.outcome);
}

INSTANTIATE_TEST_SUITE_P(Recorded, UnwindWalks, testing::ValuesIn(recorded_names()),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace waggle
