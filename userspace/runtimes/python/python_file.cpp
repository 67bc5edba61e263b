// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtimes/python/python_file.h"

#include <elf.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <functional>
#include <map>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/text.h"
#include "symbolizer/elf_symbols.h"
#include "userspace/runtimes/python/evaluation_loop.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxDataBytes = 64 << 20;  // of a section that is searched
constexpr std::size_t kMaxVersionBytes = 12;     // "3.10.13" and a suffix
constexpr std::size_t kMaxVersions = 64;         // that a file's texts name
constexpr std::size_t kMaxLoopSymbols = 4096;    // a tail-call interpreter has some 230

// From 3.13 on _PyRuntime has a section of its own, also where symbols are hidden.
constexpr std::string_view kRuntimeSection = ".PyRuntime";

// What the file defines of what is looked for.
struct Definitions {
  std::optional<std::uint64_t> runtime;         // _PyRuntime, from 3.7 on
  std::optional<std::uint64_t> current_thread;  // _PyThreadState_Current, up to 3.6
  std::optional<std::uint64_t> interp_head;     // up to 3.6, seldom in a stripped file
  std::optional<std::uint64_t> interpreter_head_function;
  std::optional<std::uint64_t> version;  // Py_Version, from 3.11 on
  std::optional<std::uint64_t> code_type;
  std::optional<CodeSymbol> loop_2;
  std::optional<CodeSymbol> loop_3;
  // By address; .symtab and .dynsym may both have one.
  std::map<std::uint64_t, CodeSymbol> parts_2;
  std::map<std::uint64_t, CodeSymbol> parts_3;
  std::map<std::uint64_t, CodeSymbol> tail_call_parts;

  [[nodiscard]] bool has_python() const { return runtime || current_thread; }

  void add(const ElfSymbol& symbol) {
    const bool is_function = symbol.type == STT_FUNC;
    if (!is_function && symbol.type != STT_OBJECT) {
      return;
    }
    using Place = std::pair<std::string_view, std::optional<std::uint64_t>*>;
    const std::array<Place, 6> places = {{
        {"_PyRuntime", &runtime},
        {"_PyThreadState_Current", &current_thread},
        {"interp_head", &interp_head},
        {"PyInterpreterState_Head", &interpreter_head_function},
        {"Py_Version", &version},
        {"PyCode_Type", &code_type},
    }};
    for (const auto& [name, place] : places) {
      if (symbol.name == name) {
        *place = symbol.address;
        return;
      }
    }
    if (!is_function) {
      return;
    }
    add_code(symbol.name, {symbol.address, symbol.size});
  }

  void add_code(std::string_view name, const CodeSymbol& code) {
    constexpr std::uint32_t kPython2 = python_version(2, 7, 0);
    constexpr std::uint32_t kPython3 = python_version(3, 6, 0);
    if (is_loop_entry(name, kPython2)) {
      loop_2 = code;
    } else if (is_loop_entry(name, kPython3)) {
      loop_3 = code;
    } else if (is_loop_part(name, kPython2)) {
      add_part(parts_2, code);
    } else if (is_loop_part(name, kPython3)) {
      add_part(parts_3, code);
    } else if (is_tail_call_part(name)) {
      add_part(tail_call_parts, code);
    }
  }

  static void add_part(std::map<std::uint64_t, CodeSymbol>& parts, const CodeSymbol& code) {
    if (parts.size() < kMaxLoopSymbols) {
      parts.emplace(code.start, code);
    }
  }

  // Nothing where the loop of that version is not defined.
  [[nodiscard]] std::optional<LoopSymbols> loop(unsigned major) const {
    const auto& entry = major == 2 ? loop_2 : loop_3;
    if (!entry) {
      return std::nullopt;
    }
    LoopSymbols symbols{.entry = *entry, .parts = {}, .tail_call_parts = {}};
    for (const auto& [address, part] : major == 2 ? parts_2 : parts_3) {
      symbols.parts.push_back(part);
    }
    for (const auto& [address, part] : tail_call_parts) {
      symbols.tail_call_parts.push_back(part);
    }
    return symbols;
  }
};

std::optional<std::uint64_t> read_word(const ElfFile& file, std::uint64_t address) {
  const auto bytes = file.read_address(address, sizeof(std::uint64_t));
  return bytes ? std::optional(ByteCursor(*bytes).read<std::uint64_t>()) : std::nullopt;
}

bool is_supported(std::uint64_t version) {
  return python_major(static_cast<std::uint32_t>(version)) == 3 && version >> 32 == 0;
}

// Sections with data that is not code; all segments where there are no sections.
void visit_data(const ElfFile& file, const std::function<void(Bytes)>& visit) {
  for (const ElfSection& section : file.sections()) {
    const bool is_data = section.type == SHT_PROGBITS && (section.flags & SHF_ALLOC) != 0 &&
                         (section.flags & SHF_EXECINSTR) == 0;
    if (is_data) {
      if (const auto bytes = file.read_section(section, kMaxDataBytes)) {
        visit(*bytes);
      }
    }
  }
  if (file.sections().empty()) {
    for (const ElfSegment& segment : file.load_segments()) {
      if (const auto bytes = file.read_segment_from(segment.address, kMaxDataBytes)) {
        visit(*bytes);
      }
    }
  }
}

Result<std::uint32_t> find_version(const ElfFile& file, const Definitions& definitions) {
  if (definitions.version) {
    const auto version = read_word(file, *definitions.version);
    if (version && is_supported(*version)) {
      return static_cast<std::uint32_t>(*version);
    }
  }
  VersionTexts texts;
  visit_data(file, [&](Bytes data) { texts.add(data); });
  const auto found = texts.best();
  if (!found) {
    return fail(Errc::not_found, "a version in the Python runtime's data");
  }
  return *found;
}

// mov interp_head(%rip), %rax at the start of PyInterpreterState_Head(), which returns the list's
// first: the variable itself is static.
std::optional<std::uint64_t> decode_interpreter_head(const ElfFile& file, std::uint64_t function) {
  using namespace std::string_view_literals;
  constexpr std::size_t kMaxBytes = 32;
  constexpr std::string_view kLoad = "\x48\x8b\x05"sv;
  constexpr std::size_t kLoadBytes = 7;
  const auto code = file.read_segment_from(function, kMaxBytes);
  if (!code || file.machine() != EM_X86_64) {
    return std::nullopt;
  }
  const std::string_view text(reinterpret_cast<const char*>(code->data()), code->size());
  const std::size_t at = text.find(kLoad);
  if (at == std::string_view::npos || at + kLoadBytes > text.size()) {
    return std::nullopt;
  }
  ByteCursor cursor(Bytes(*code).subspan(at + kLoad.size()));
  const auto distance = static_cast<std::int64_t>(cursor.read<std::int32_t>());
  return function + at + kLoadBytes + static_cast<std::uint64_t>(distance);
}

Result<> read_old_runtime(const ElfFile& file, const Definitions& definitions, PythonFile& python) {
  auto head = definitions.interp_head;
  if (!head && definitions.interpreter_head_function) {
    head = decode_interpreter_head(file, *definitions.interpreter_head_function);
  }
  if (!head) {
    return fail(Errc::not_found, "interp_head");
  }
  python.interpreters = *head;
  python.current = *definitions.current_thread;
  return {};
}

Result<> use_table(const ElfFile& file, const Definitions& definitions, PythonFile& python) {
  const std::uint32_t version = TRY(find_version(file, definitions));
  const PythonLayoutRow* row = find_python_layout(version);
  if (row == nullptr) {
    return fail(Errc::unsupported,
                fmt::format("no layout for Python {}", python_version_text(version)));
  }
  python.layout = row->layout;
  python.layout.fields.version = version;
  if (!definitions.runtime) {
    return read_old_runtime(file, definitions, python);
  }
  python.interpreters = *definitions.runtime + python.layout.runtime_interpreters;
  if (python.layout.runtime_current != kNoOffset) {
    python.current = *definitions.runtime + python.layout.runtime_current;
  }
  return {};
}

Result<Definitions> read_definitions(const ElfFile& file) {
  Definitions definitions;
  TRY(visit_symbols(file, [&](const ElfSymbol& symbol) { definitions.add(symbol); }));
  if (!definitions.runtime) {
    if (const ElfSection* section = file.find_section(kRuntimeSection)) {
      definitions.runtime = section->address;
    }
  }
  return definitions;
}

// The words of _Py_DebugOffsets, or nothing before 3.13.
Result<std::optional<DebugOffsetsLayout>> read_words(const ElfFile& file, std::uint64_t runtime) {
  const auto bytes = file.read_segment_from(runtime, kMaxDebugOffsetsBytes);
  if (!bytes) {
    return std::nullopt;  // _PyRuntime without data in the file: before 3.12
  }
  return read_debug_offsets(*bytes);
}

Result<> read_layout(const ElfFile& file, const Definitions& definitions, PythonFile& python) {
  if (definitions.runtime) {
    const auto words = TRY(read_words(file, *definitions.runtime));
    if (words) {
      python.layout = words->layout;
      python.is_guess = words->is_guess;
      python.interpreters = *definitions.runtime + words->layout.runtime_interpreters;
      return {};
    }
  }
  return use_table(file, definitions, python);
}

}  // namespace

void VersionTexts::add(Bytes data) {
  const std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
  for (const std::string_view major : {"3.", "2.7."}) {
    for (std::size_t at = text.find(major); at != std::string_view::npos;
         at = text.find(major, at + 1)) {
      // Linkers let a string share the end of a longer one: "3.8.18" of "/opt/python-3.8.18".
      const char before = at == 0 ? '\0' : text[at - 1];
      if ((before < '0' || before > '9') && before != '.') {
        add_text(text.substr(at, text.substr(at, kMaxVersionBytes).find('\0')));
      }
    }
  }
  for (const auto& [version, is_named] : found_) {
    const std::string name =
        fmt::format("python{}.{}", python_major(version), python_minor(version));
    found_[version] = is_named || text.find(name) != std::string_view::npos;
  }
}

// "3.8.18", "2.7.18+", "3.9.0rc1"
void VersionTexts::add_text(std::string_view text) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789."), text.size());
  const auto numbers = split(text.substr(0, end), '.');
  const std::string_view suffix = text.substr(end);
  constexpr std::size_t kMaxSuffixBytes = 4;
  if (numbers.size() != 3 || suffix.size() > kMaxSuffixBytes ||
      (!suffix.empty() && std::string_view("+abr").find(suffix[0]) == std::string_view::npos)) {
    return;
  }
  const auto major = parse_number<std::uint8_t>(numbers[0]);
  const auto minor = parse_number<std::uint8_t>(numbers[1]);
  const auto patch = parse_number<std::uint8_t>(numbers[2]);
  if (major && minor && patch) {
    const std::uint32_t version = python_version(*major, *minor, *patch);
    if (find_python_layout(version) != nullptr && found_.size() < kMaxVersions) {
      found_.emplace(version, false);
    }
  }
}

std::optional<std::uint32_t> VersionTexts::best() const {
  std::optional<std::uint32_t> only;
  for (const bool is_named : {true, false}) {
    for (const auto& [version, has_name] : found_) {
      if (has_name != is_named) {
        continue;
      }
      if (only && python_minor(*only) != python_minor(version)) {
        return std::nullopt;
      }
      only = version;
    }
    if (only) {
      return only;
    }
  }
  return std::nullopt;
}

Result<std::optional<PythonFile>> inspect_python_file(const ElfFile& file) {
  const Definitions definitions = TRY(read_definitions(file));
  if (!definitions.has_python()) {
    return std::nullopt;
  }
  PythonFile python;
  TRY(read_layout(file, definitions, python));
  const std::uint32_t version = python.layout.fields.version;
  const auto symbols = definitions.loop(python_major(version));
  if (!symbols) {
    return fail(Errc::not_found,
                fmt::format("the evaluation loop of Python {}", python_version_text(version)));
  }
  python.loop = TRY(find_evaluation_loop(file, *symbols));
  python.code_type = definitions.code_type.value_or(0);
  return python;
}

bool defines_python(const ElfFile& file) {
  const auto definitions = read_definitions(file);
  return definitions && definitions->has_python();
}

}  // namespace waggle
