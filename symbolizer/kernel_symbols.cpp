// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/kernel_symbols.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <tuple>
#include <utility>

#include "base/file.h"
#include "base/text.h"

namespace waggle {

namespace {

// A distribution's kernel with all its modules has 200,000 functions.
constexpr std::size_t kMaxSymbols = 4 << 20;
constexpr std::size_t kMaxNamesBytes = 256 << 20;
constexpr std::size_t kMaxModules = 65536;
// KSYM_NAME_LEN is 512 (128 before 6.1); address, type and module add less than 100.
constexpr std::size_t kMaxLineBytes = 1024;
constexpr std::size_t kChunkBytes = 64 << 10;
// Both x86_64 and aarch64 keep the kernel in the upper half.
constexpr std::uint64_t kFirstKernelAddress = 1ULL << 63;

struct Line {
  std::uint64_t address;
  char type;
  std::string_view name;
  std::string_view module;
};

// "ffffffffc0a01000 t nf_hook\t[nf_tables]"
std::optional<Line> parse_line(std::string_view text) {
  const std::size_t after_address = text.find(' ');
  if (after_address == std::string_view::npos || text.size() < after_address + 4 ||
      text[after_address + 2] != ' ') {
    return std::nullopt;
  }
  const auto address = parse_number<std::uint64_t>(text.substr(0, after_address), 16);
  if (!address) {
    return std::nullopt;
  }
  Line line{*address, text[after_address + 1], text.substr(after_address + 3), {}};
  if (const std::size_t tab = line.name.find('\t'); tab != std::string_view::npos) {
    const std::string_view module = line.name.substr(tab + 1);
    if (module.size() > 2 && module.front() == '[' && module.back() == ']') {
      line.module = module.substr(1, module.size() - 2);
    }
    line.name = line.name.substr(0, tab);
  }
  const bool is_name = !line.name.empty() && line.name.find('\0') == std::string_view::npos;
  return is_name ? std::optional(line) : std::nullopt;
}

bool is_text(char type) {
  return type == 't' || type == 'T' || type == 'w' || type == 'W';
}

}  // namespace

class KallsymsParser {
 public:
  Result<> add_line(std::string_view text);
  Result<KernelSymbols> finish();

 private:
  // In Entry::module until finish() has chosen among the names of an address.
  static constexpr std::uint32_t kIsLocal = 1U << 31;

  Result<std::uint32_t> module_index(std::string_view name);

  KernelSymbols symbols_;
  bool has_hidden_ = false;
};

Result<> KallsymsParser::add_line(std::string_view text) {
  const auto line = parse_line(text);
  if (!line || !is_text(line->type)) {
    return {};
  }
  if (line->address < kFirstKernelAddress) {
    has_hidden_ = has_hidden_ || line->address == 0;
    return {};  // offsets into per-CPU areas and the like are no code
  }
  auto& entries = symbols_.entries_;
  if (entries.size() >= kMaxSymbols ||
      symbols_.names_.size() + line->name.size() >= kMaxNamesBytes) {
    return fail(Errc::exhausted, fmt::format("more than {} functions", entries.size()));
  }
  const std::uint32_t module = TRY(module_index(line->module));
  entries.push_back({line->address, static_cast<std::uint32_t>(symbols_.names_.size()),
                     module | (line->type == 'T' ? 0 : kIsLocal)});
  symbols_.names_ += line->name;
  symbols_.names_ += '\0';
  return {};
}

Result<std::uint32_t> KallsymsParser::module_index(std::string_view name) {
  auto& modules = symbols_.modules_;
  if (modules.empty()) {
    modules.emplace_back();  // the kernel itself
  }
  if (name.empty()) {
    return 0U;
  }
  if (modules.back() != name) {  // a module's lines lie together
    const auto known = std::ranges::find(modules, name);
    if (known != modules.end()) {
      return static_cast<std::uint32_t>(known - modules.begin());
    }
    if (modules.size() >= kMaxModules) {
      return fail(Errc::exhausted, fmt::format("more than {} modules", kMaxModules));
    }
    modules.emplace_back(name);
  }
  return static_cast<std::uint32_t>(modules.size() - 1);
}

Result<KernelSymbols> KallsymsParser::finish() {
  auto& entries = symbols_.entries_;
  if (entries.empty() && has_hidden_) {
    return fail(Errc::permission,
                "kernel addresses are hidden (kernel.kptr_restrict): run with CAP_SYSLOG and "
                "kernel.kptr_restrict below 2");
  }
  if (entries.empty()) {
    return fail(Errc::malformed, "no kernel functions in the text");
  }
  // Of the names of one address a global one, else the first listed.
  std::ranges::sort(entries, {}, [](const KernelSymbols::Entry& entry) {
    return std::tuple(entry.start, entry.module & kIsLocal, entry.name);
  });
  const auto aliases = std::ranges::unique(entries, {}, &KernelSymbols::Entry::start);
  entries.erase(aliases.begin(), aliases.end());
  for (KernelSymbols::Entry& entry : entries) {
    entry.module &= ~kIsLocal;
  }
  entries.shrink_to_fit();
  symbols_.names_.shrink_to_fit();
  return std::move(symbols_);
}

Result<KernelSymbols> KernelSymbols::load(int fd, const std::stop_token& stop) {
  KallsymsParser parser;
  std::string text;  // the start of a line, then the next chunk
  for (bool is_at_end = false; !is_at_end;) {
    if (stop.stop_requested()) {
      return fail(Errc::exhausted, "no time is left");
    }
    const std::size_t kept = text.size();
    text.resize(kept + kChunkBytes);
    const ssize_t count = ::read(fd, text.data() + kept, kChunkBytes);
    if (count < 0 && errno != EINTR) {
      return fail_errno("read", errno);
    }
    text.resize(kept + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    is_at_end = count == 0;

    std::string_view rest = text;
    for (std::size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
      TRY(parser.add_line(rest.substr(0, end)));
      rest.remove_prefix(end + 1);
    }
    if (rest.size() > kMaxLineBytes) {
      return fail(Errc::malformed, fmt::format("line of more than {} bytes", kMaxLineBytes));
    }
    text.erase(0, text.size() - rest.size());
  }
  TRY(parser.add_line(text));
  return parser.finish();
}

Result<KernelSymbols> KernelSymbols::load_path(const std::string& path,
                                               const std::stop_token& stop) {
  const UniqueFd fd = TRY(open_file(path, O_RDONLY));
  Result<KernelSymbols> symbols = load(fd.get(), stop);
  if (!symbols) {
    return add_context(path, std::move(symbols).error());
  }
  return symbols;
}

std::optional<KernelSymbols::Symbol> KernelSymbols::find(std::uint64_t address) const {
  const auto after = std::ranges::upper_bound(entries_, address, {}, &Entry::start);
  if (after == entries_.begin()) {
    return std::nullopt;
  }
  const Entry& entry = *std::prev(after);
  return Symbol{names_.data() + entry.name, modules_[entry.module], entry.start};
}

std::size_t KernelSymbols::size_bytes() const {
  std::size_t size = entries_.capacity() * sizeof(Entry) + names_.capacity();
  for (const std::string& module : modules_) {
    size += sizeof(module) + module.capacity();
  }
  return size;
}

}  // namespace waggle
