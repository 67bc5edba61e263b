// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtimes/native/stacks.h"

#include <fcntl.h>
#include <fmt/core.h>

#include <map>
#include <optional>
#include <span>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "bpf/lib/unwind_step.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/module.h"
#include "symbolizer/unwind_table.h"
#include "symbolizer/vdso.h"
#include "userspace/process/executable_files.h"
#include "userspace/process/proc_fs.h"
#include "userspace/process/process_memory.h"

// What the pure core reads through.
struct unw_memory {
  const waggle::ProcessMemory& process;
};

static inline int unw_read_word(unw_memory* memory, __u64 address, __u64* value) {
  if (address % UNW_WORD_BYTES != 0 || unw_is_user_address(address) == 0) {
    return -1;
  }
  const auto word = memory->process.read_word(address);
  *value = word.value_or(0);
  return word ? 0 : -1;
}

namespace waggle {

namespace {

constexpr std::size_t kMaxMappings = 65'536;
constexpr std::string_view kVdso = "[vdso]";
constexpr std::string_view kAnonymous = "[anon]";

// A file's code, as far as it could be read.
struct LoadedFile {
  std::vector<ElfSegment> segments;
  std::optional<UnwindTable> table;
  std::optional<Module> module;
};

struct MappedCode {
  std::uint64_t start;
  std::uint64_t end;
  std::uint64_t file_offset;
  std::tuple<std::uint32_t, std::uint32_t, std::uint64_t> file;  // device and inode
  std::string name;                                              // last component of its path

  [[nodiscard]] bool is_vdso() const { return name == kVdso; }
  [[nodiscard]] bool is_file() const { return std::get<2>(file) != 0; }
};

std::string name_in(std::string_view path) {
  if (path.empty()) {
    return std::string(kAnonymous);
  }
  return printable(path.starts_with('/') ? path.substr(path.rfind('/') + 1) : path);
}

void load_code(const ElfFile& file, UnwindRules& rules, LoadedFile& loaded) {
  loaded.segments = file.load_segments();
  if (auto table = UnwindTable::build(file, rules)) {
    loaded.table = *std::move(table);
  }
}

void load_file(UniqueFd fd, UnwindRules& rules, LoadedFile& loaded) {
  UniqueFd again(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  if (const auto file = ElfFile::open(std::move(fd))) {
    load_code(*file, rules, loaded);
  }
  if (auto module = Module::load(std::move(again))) {
    loaded.module = *std::move(module);
  }
}

void load_vdso_file(UnwindRules& rules, LoadedFile& loaded) {
  auto bytes = read_vdso();
  if (const auto file = bytes ? ElfFile::from_bytes(*std::move(bytes))
                              : std::unexpected(std::move(bytes).error())) {
    load_code(*file, rules, loaded);
  }
  if (auto module = load_vdso()) {
    loaded.module = *std::move(module);
  }
}

// Nodes at the numbers that they have in the table.
std::uint16_t find_rule_number(const UnwindTable& table, std::uint32_t key) {
  std::vector<std::uint32_t> numbers(table.nodes().size());
  const unw_tree tree = table.tree(numbers);
  auto number = static_cast<std::uint32_t>(table.nodes().size() - 1);
  std::uint32_t first_key = 0;
  for (std::uint32_t level = 0; level < tree.levels; ++level) {
    const unw_branch* branches = table.nodes().at(number).branches;
    const unw_branch& branch = branches[unw_search_branches(branches, key)];
    number = branch.child;
    first_key = branch.first_key;
  }
  const unw_row* rows = table.nodes().at(number).rows;
  return rows[unw_search_rows(rows, key - first_key)].rule;
}

NativeEnd end_of(unw_outcome outcome) {
  switch (outcome) {
    case UNW_COMPLETE:
      return NativeEnd::complete;
    case UNW_UNREADABLE:
      return NativeEnd::unreadable;
    case UNW_TOO_DEEP:
      return NativeEnd::too_deep;
    case UNW_STEPPED:
    case UNW_NO_INFO:
      break;
  }
  return NativeEnd::no_unwind_info;
}

}  // namespace

class NativeStacks::Code {
 public:
  explicit Code(pid_t pid) : memory_(pid) {}

  Result<> read_mappings() {
    TRY(ProcFs().read_code(static_cast<std::uint32_t>(memory_.pid()), [&](const MapsEntry& entry) {
      if (mapped_.size() < kMaxMappings) {
        mapped_.push_back({.start = entry.start,
                           .end = entry.end,
                           .file_offset = entry.file_offset,
                           .file = {entry.device_major, entry.device_minor, entry.inode},
                           .name = name_in(entry.path)});
      }
    }));
    return {};
  }

  // The rule for code without a table where none is known.
  unw_rule rule_of(std::uint64_t address) {
    const MappedCode* mapped = find(address);
    const LoadedFile* loaded = mapped != nullptr ? load(*mapped) : nullptr;
    if (loaded == nullptr || !loaded->table) {
      return {};
    }
    const auto in_file = address_in_file(*mapped, *loaded, address);
    const std::uint64_t lowest = loaded->table->lowest_address();
    if (!in_file || *in_file < lowest || *in_file - lowest > UINT32_MAX) {
      return {};
    }
    return rules_.at(
        find_rule_number(*loaded->table, static_cast<std::uint32_t>(*in_file - lowest)));
  }

  std::string name_of(std::uint64_t address) {
    const MappedCode* mapped = find(address);
    if (mapped == nullptr) {
      return fmt::format("({}+0x{:x})", kAnonymous, address);
    }
    const LoadedFile* loaded = load(*mapped);
    const auto in_file =
        loaded != nullptr ? address_in_file(*mapped, *loaded, address) : std::nullopt;
    if (in_file && loaded->module) {
      if (const auto name = loaded->module->find_name(*in_file)) {
        return std::string(*name);
      }
    }
    return fmt::format("({}+0x{:x})", mapped->name, in_file.value_or(address - mapped->start));
  }

  [[nodiscard]] const ProcessMemory& memory() const { return memory_; }

 private:
  // In order of address, as the kernel lists them.
  [[nodiscard]] const MappedCode* find(std::uint64_t address) const {
    const auto found = std::ranges::upper_bound(mapped_, address, {}, &MappedCode::end);
    return found != mapped_.end() && found->start <= address ? &*found : nullptr;
  }

  static std::optional<std::uint64_t> address_in_file(const MappedCode& mapped,
                                                      const LoadedFile& loaded,
                                                      std::uint64_t address) {
    return address_of_offset(loaded.segments, address - mapped.start + mapped.file_offset);
  }

  // nullptr: it is of no file.
  const LoadedFile* load(const MappedCode& mapped) {
    if (!mapped.is_file() && !mapped.is_vdso()) {
      return nullptr;
    }
    const auto [entry, is_new] = files_.try_emplace(mapped.file);
    if (is_new && mapped.is_vdso()) {
      load_vdso_file(rules_, entry->second);
    } else if (is_new) {
      if (auto fd = open_mapped_file(memory_.pid(), mapped.start, mapped.end)) {
        load_file(*std::move(fd), rules_, entry->second);
      }
    }
    return &entry->second;
  }

  ProcessMemory memory_;
  UnwindRules rules_;
  std::vector<MappedCode> mapped_;
  std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint64_t>, LoadedFile> files_;
};

NativeStacks::NativeStacks(std::unique_ptr<Code> code) : code_(std::move(code)) {}
NativeStacks::NativeStacks(NativeStacks&&) noexcept = default;
NativeStacks& NativeStacks::operator=(NativeStacks&&) noexcept = default;
NativeStacks::~NativeStacks() = default;

Result<NativeStacks> NativeStacks::read(pid_t pid) {
  auto code = std::make_unique<Code>(pid);
  TRY(code->read_mappings());
  return NativeStacks(std::move(code));
}

NativeStack NativeStacks::walk(std::uint64_t ip, std::uint64_t sp) {
  NativeStack stack;
  unw_memory memory{code_->memory()};
  unw_registers regs = {.ip = ip, .sp = sp, .fp = UNW_LOST_FP};
  bool is_return_address = false;
  while (stack.addresses.size() < kMaxNativeFrames) {
    const std::uint64_t address = regs.ip - (is_return_address ? 1 : 0);
    stack.addresses.push_back(address);
    const unw_rule rule = code_->rule_of(address);
    const unw_outcome outcome = unw_step_rule(&memory, &regs, &rule, 0);
    if (outcome != UNW_STEPPED) {
      stack.end = end_of(outcome);
      return stack;
    }
    is_return_address = rule.is_signal_frame == 0;
  }
  stack.end = NativeEnd::too_deep;
  return stack;
}

std::string NativeStacks::name_of(std::uint64_t address) {
  return code_->name_of(address);
}

}  // namespace waggle
