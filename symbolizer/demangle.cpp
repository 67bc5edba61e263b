// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/demangle.h"

#include <libiberty/demangle.h>

#include <array>
#include <csetjmp>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>

#include "base/unique_c.h"
#include "symbolizer/demangle_cost.h"

namespace waggle {

namespace {

// libiberty recurses once or more per byte.  The limit keeps it within 2 MiB of stack.
constexpr std::size_t kMaxMangledBytes = 4096;
// A millisecond or a few.  The costliest names of libLLVM and libclang are at 8,049, of Google Mock
// at 53,904.
constexpr std::uint64_t kMaxPrintingCost = 1 << 20;
// libiberty parses what follows "cv T_" twice, and so what is nested in it.
constexpr int kMaxTemplateConversions = 8;

// What libiberty prints, until it is too much.
struct Output {
  std::array<char, kMaxDemangledBytes> text;
  std::size_t size = 0;
  bool is_full = false;
  std::jmp_buf stop;
};

// Leaves libiberty by longjmp: its printers have no other way to stop.  That is sound because
// they keep their state on the stack; only a Punycode identifier of Rust is printed from a heap
// buffer.  It is never ASCII, so such a text is let through, and the next one stops.
void append(const char* text, std::size_t size, void* opaque) {
  auto& output = *static_cast<Output*>(opaque);
  if (text == nullptr || size == 0) {
    return;  // an empty identifier of Rust
  }
  const std::size_t room = output.text.size() - output.size;
  if (size <= room && !output.is_full) {
    std::memcpy(output.text.data() + output.size, text, size);
    output.size += size;
    return;
  }
  output.is_full = true;
  for (std::size_t i = 0; i < size; ++i) {
    if (static_cast<unsigned char>(text[i]) >= 0x80) {
      return;
    }
  }
  std::longjmp(output.stop, 1);
}

// `print` runs below setjmp, so it holds nothing that needs a destructor.
template <class F>
std::optional<std::string> print_bounded(F print) {
  const auto output = std::make_unique<Output>();
  if (setjmp(output->stop) != 0 || print(output.get()) == 0 || output->is_full) {
    return std::nullopt;
  }
  return std::string(output->text.data(), output->size);
}

int count_template_conversions(std::string_view name) {
  int count = 0;
  for (std::size_t at = name.find("cvT"); at != std::string_view::npos;
       at = name.find("cvT", at + 1)) {
    ++count;
  }
  return count;
}

std::optional<std::string> demangle_cpp(const std::string& name) {
  constexpr int kOptions = DMGL_PARAMS | DMGL_ANSI | DMGL_VERBOSE;
  if (count_template_conversions(name) > kMaxTemplateConversions) {
    return std::nullopt;
  }
  void* memory = nullptr;
  demangle_component* tree = ::cplus_demangle_v3_components(name.c_str(), kOptions, &memory);
  const std::unique_ptr<void, Deleter<std::free>> owner(memory);
  if (tree == nullptr || printing_cost(tree) > kMaxPrintingCost) {
    return std::nullopt;
  }
  return print_bounded([tree](Output* output) {
    return ::cplus_demangle_print_callback(kOptions, tree, append, output);
  });
}

bool is_base_62(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// A function or trait type may bind lifetimes, "FG" or "DG" and a base 62 number; libiberty counts
// up to it one by one, also where it prints nothing.  More than 62 do not occur.  No type follows
// a C but that of an ABI ("KC"), so "CFGuard" is an identifier; one that reads like a binder all
// the same ("SDGraph_") costs its name the demangling.
bool may_bind_many_lifetimes(std::string_view name) {
  for (std::size_t at = name.find('G'); at != std::string_view::npos; at = name.find('G', at + 1)) {
    const bool follows_c = at >= 3 && name[at - 2] == 'C' && name[at - 3] != 'K';
    if (follows_c || (name[at - 1] != 'F' && name[at - 1] != 'D')) {
      continue;
    }
    std::size_t end = at + 1;
    while (end < name.size() && is_base_62(name[end])) {
      ++end;
    }
    if (end > at + 2 && end < name.size() && name[end] == '_') {
      return true;
    }
  }
  return false;
}

std::optional<std::string> demangle_rust(const std::string& name) {
  if (name.starts_with("_R") && may_bind_many_lifetimes(name)) {
    return std::nullopt;
  }
  return print_bounded([&name](Output* output) {
    return ::rust_demangle_callback(name.c_str(), DMGL_NO_OPTS, append, output);
  });
}

}  // namespace

std::string demangle(std::string_view name) {
  std::string text(name);
  const bool is_cpp = name.starts_with("_Z");
  if ((!is_cpp && !name.starts_with("_R")) || name.size() > kMaxMangledBytes ||
      name.find('\0') != std::string_view::npos) {
    return text;
  }
  std::optional<std::string> readable = demangle_rust(text);  // legacy names are valid C++ too
  if (!readable && is_cpp) {
    readable = demangle_cpp(text);
  }
  return readable && !readable->empty() ? *std::move(readable) : text;
}

}  // namespace waggle
