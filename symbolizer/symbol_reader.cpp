// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/symbol_reader.h"

#include <elf.h>
#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <stop_token>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "symbolizer/elf_symbols.h"
#include "symbolizer/go_functions.h"
#include "symbolizer/plt_stubs.h"
#include "symbolizer/xz.h"

namespace waggle {

namespace {

// Longer names are cut: some templates mangle to tens of kilobytes, which nobody reads.
constexpr std::size_t kMaxNameBytes = 16 << 10;
// Packed and unpacked; those of a distribution's largest libraries are some megabytes.
constexpr std::size_t kMaxMiniDebugInfoBytes = 64 << 20;
// Searched for each symbol that is in no section; programs have one or two.
constexpr std::size_t kMaxExecutableSegments = 16;

constexpr std::uint64_t kMaxAddress = std::numeric_limits<std::uint64_t>::max();

// 32 bytes, as there are many at once.
struct Candidate {
  std::uint64_t start;
  const char* name;     // in its table's strings
  std::uint32_t size;   // 0: unknown; 4 GiB at most
  std::uint32_t limit;  // bytes up to the end of its section or segment
  std::uint16_t name_size;
  std::uint8_t rank;  // lower is better

  [[nodiscard]] std::string_view text() const { return {name, name_size}; }
  [[nodiscard]] std::uint64_t end() const {
    return size > kMaxAddress - start ? kMaxAddress : start + size;
  }
};
static_assert(kMaxNameBytes <= std::numeric_limits<std::uint16_t>::max());

std::uint32_t clamp_to_32(std::uint64_t size) {
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(size, std::numeric_limits<std::uint32_t>::max()));
}

// Collects candidates of both tables; names point into the tables' strings.
class Collector {
 public:
  explicit Collector(const std::stop_token& stop) : stop_(stop) {}

  // The table of `file`; `strings` must outlive the candidates.
  Result<> add(const ElfFile& file, Bytes symbols, Bytes strings);
  [[nodiscard]] std::vector<Candidate> take() { return std::move(candidates_); }

 private:
  const std::stop_token& stop_;
  std::vector<Candidate> candidates_;
  std::size_t name_bytes_ = 0;
};

// How far it is from the symbol to the end of its code; nothing when it is not code.
std::optional<std::uint64_t> find_limit(const ElfFile& file,
                                        const std::vector<ElfSegment>& executable,
                                        const Elf64_Sym& symbol) {
  if (symbol.st_shndx < SHN_LORESERVE && symbol.st_shndx < file.sections().size()) {
    const ElfSection& section = file.sections()[symbol.st_shndx];
    const std::uint64_t skipped = symbol.st_value - section.address;
    if (symbol.st_value >= section.address && skipped < section.size &&
        (section.flags & SHF_EXECINSTR) != 0) {
      return section.size - skipped;
    }
  }
  if (file.sections().empty() || ELF64_ST_TYPE(symbol.st_info) != STT_NOTYPE) {
    for (const ElfSegment& segment : executable) {
      if (segment.has_address(symbol.st_value)) {
        return segment.memory_size - (symbol.st_value - segment.address);
      }
    }
  }
  return std::nullopt;
}

std::vector<ElfSegment> executable_segments(const ElfFile& file) {
  std::vector<ElfSegment> segments;
  for (const ElfSegment& segment : file.load_segments()) {
    if (segment.is_executable() && segments.size() < kMaxExecutableSegments) {
      segments.push_back(segment);
    }
  }
  return segments;
}

bool is_function_type(unsigned type) {
  return type == STT_FUNC || type == STT_GNU_IFUNC;
}

std::uint8_t rank_of(const Elf64_Sym& symbol) {
  const unsigned binding = ELF64_ST_BIND(symbol.st_info);
  const unsigned weakness = binding == STB_LOCAL ? 2 : binding == STB_WEAK ? 1 : 0;
  const bool is_label = !is_function_type(ELF64_ST_TYPE(symbol.st_info));
  return static_cast<std::uint8_t>((symbol.st_size == 0 ? 8U : 0U) + (is_label ? 4U : 0U) +
                                   weakness);
}

// Behind all symbols.
constexpr std::uint8_t kGoRank = 16;
constexpr std::uint8_t kStubRank = 17;

std::string_view without_version(std::string_view name) {
  const std::size_t at = name.find('@');
  return at == std::string_view::npos || at == 0 ? name : name.substr(0, at);
}

Result<> Collector::add(const ElfFile& file, Bytes symbols, Bytes strings) {
  const std::vector<ElfSegment> executable = executable_segments(file);
  candidates_.reserve(candidates_.size() + symbols.size() / sizeof(Elf64_Sym));
  ByteCursor cursor(symbols);
  while (cursor.remaining() >= sizeof(Elf64_Sym) && !stop_.stop_requested()) {
    const auto symbol = cursor.read<Elf64_Sym>();
    const unsigned type = ELF64_ST_TYPE(symbol.st_info);
    if (symbol.st_shndx == SHN_UNDEF || !(is_function_type(type) || type == STT_NOTYPE) ||
        symbol.st_name >= strings.size()) {
      continue;
    }
    const auto limit = find_limit(file, executable, symbol);
    if (!limit) {
      continue;
    }
    const Bytes rest = strings.subspan(symbol.st_name);
    const auto* text = reinterpret_cast<const char*>(rest.data());
    std::string_view name(text, ::strnlen(text, std::min(rest.size(), kMaxNameBytes)));
    name_bytes_ += name.size() + 1;
    if (name_bytes_ > kMaxSymbolNamesBytes) {
      return fail(Errc::exhausted, "symbol names that overlap");
    }
    name = without_version(name);
    const bool is_no_function = name.starts_with('$') || name.starts_with('.');
    if (name.empty() || (type == STT_NOTYPE && is_no_function)) {
      continue;
    }
    candidates_.push_back({symbol.st_value, name.data(), clamp_to_32(symbol.st_size),
                           clamp_to_32(*limit), static_cast<std::uint16_t>(name.size()),
                           rank_of(symbol)});
  }
  return {};
}

bool has_better_name(const Candidate& a, const Candidate& b) {
  const auto key = [](const Candidate& candidate) {
    const std::string_view name = candidate.text();
    const std::size_t underscores = std::min(name.find_first_not_of('_'), name.size());
    return std::tuple(candidate.rank, underscores, name.size(), name);
  };
  return key(a) < key(b);
}

// Sorted, one per address.
void settle_aliases(std::vector<Candidate>& candidates) {
  std::ranges::sort(candidates, {}, &Candidate::start);
  std::size_t kept = 0;
  for (const Candidate& candidate : candidates) {
    if (kept == 0 || candidates[kept - 1].start != candidate.start) {
      candidates[kept++] = candidate;
    } else if (has_better_name(candidate, candidates[kept - 1])) {
      candidates[kept - 1] = candidate;
    }
  }
  candidates.resize(kept);
}

std::vector<FunctionSymbol> settle_sizes(std::vector<Candidate>& candidates) {
  std::uint64_t covered = 0;
  std::erase_if(candidates, [&](const Candidate& candidate) {
    const bool is_inner_label = candidate.size == 0 && candidate.start < covered;
    covered = std::max(covered, candidate.end());
    return is_inner_label;
  });
  std::vector<FunctionSymbol> functions;
  functions.reserve(candidates.size());
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const Candidate& candidate = candidates[i];
    std::uint64_t end = candidate.end();
    if (candidate.size == 0) {
      const std::uint64_t room =
          i + 1 < candidates.size() ? candidates[i + 1].start - candidate.start : kMaxAddress;
      end = candidate.start + std::min<std::uint64_t>(room, candidate.limit);
    }
    if (end > candidate.start) {
      functions.push_back({candidate.start, end, candidate.text()});
    }
  }
  return functions;
}

// The file in .gnu_debugdata, which has the .symtab that was stripped; nothing without one.
Result<std::optional<ElfFile>> read_mini_debug_info(const ElfFile& file) {
  const ElfSection* section = file.find_section(".gnu_debugdata");
  if (section == nullptr) {
    return std::nullopt;
  }
  const auto packed = TRY(file.read_section(*section, kMaxMiniDebugInfoBytes));
  std::vector<std::byte> bytes = TRY(decompress_xz(packed, kMaxMiniDebugInfoBytes));
  return TRY(ElfFile::from_bytes(std::move(bytes)));
}

// Reads the tables one after the other and keeps their strings, which candidates point into.
class TableReader {
 public:
  // `stop` outlives it.
  TableReader(std::optional<Error>* problem, const std::stop_token& stop)
      : problem_(problem), stop_(stop), collector_(stop) {}

  void read(const ElfFile& file, std::uint32_t type) {
    if (stop_.stop_requested()) {
      return;
    }
    Result<RawSymbols> table = read_raw_symbols(file, type);
    Result<> added;
    if (table) {
      tables_.push_back(*std::move(table));
      added = collector_.add(file, tables_.back().symbols, tables_.back().strings);
      tables_.back().symbols = {};
    } else {
      added = std::unexpected(std::move(table).error());
    }
    if (!added) {
      *problem_ = std::move(added).error();
    }
  }

  // After the tables: a symbol is better than what a stub is called.
  void read_stubs(const ElfFile& file) {
    auto stubs = read_plt_stubs(file);
    if (stubs) {
      stubs_ = *std::move(stubs);
    } else {
      *problem_ = std::move(stubs).error();
    }
  }

  // Where there are no symbols.
  void read_go_functions(const ElfFile& file) {
    auto go = GoFunctions::read(file);
    if (go) {
      go_ = *std::move(go);
    } else if (go.error().code != Errc::not_found && go.error().code != Errc::unsupported) {
      *problem_ = std::move(go).error();
    }
  }

  SymbolTable finish() {
    std::vector<Candidate> candidates = collector_.take();
    if (go_) {
      add_go_functions(candidates);
    }
    for (const PltStub& stub : stubs_) {
      candidates.push_back({stub.start, stub.name.data(), stub.size, stub.size,
                            static_cast<std::uint16_t>(stub.name.size()), kStubRank});
    }
    if (stop_.stop_requested()) {
      return {};
    }
    settle_aliases(candidates);
    return SymbolTable::from_sorted(settle_sizes(candidates));
  }

 private:
  void add_go_functions(std::vector<Candidate>& candidates) const {
    for (const GoFunctions::Function& function : go_->functions()) {
      const std::uint32_t size = clamp_to_32(function.end - function.start);
      candidates.push_back({function.start, function.name.data(), size, size,
                            static_cast<std::uint16_t>(function.name.size()), kGoRank});
    }
  }

  std::optional<Error>* problem_;
  const std::stop_token& stop_;
  std::vector<RawSymbols> tables_;
  std::vector<PltStub> stubs_;
  std::optional<GoFunctions> go_;
  Collector collector_;
};

}  // namespace

SymbolTable read_function_symbols(const ElfFile& file, std::optional<Error>* problem,
                                  const std::stop_token& stop) {
  TableReader reader(problem, stop);
  reader.read(file, SHT_SYMTAB);
  reader.read(file, SHT_DYNSYM);
  if (stop.stop_requested()) {
    return {};
  }
  if (auto mini = read_mini_debug_info(file); !mini) {
    *problem = Error{mini.error().code, ".gnu_debugdata: " + mini.error().what};
  } else if (mini->has_value()) {
    reader.read(**mini, SHT_SYMTAB);
  }
  reader.read_stubs(file);
  if (file.find_section(".symtab") == nullptr) {
    reader.read_go_functions(file);
  }
  return reader.finish();
}

}  // namespace waggle
