// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtimes/python/frame_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "base/text.h"

namespace waggle {

namespace {

constexpr std::string_view kSuffix = "_[p]";
constexpr std::string_view kNameless = "[unknown]";

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// `<string>`, `<frozen runpy>`, `<ipython-input-1-…>`.
bool is_no_file(std::string_view file) {
  return file.starts_with('<') && file.ends_with('>');
}

bool is_lib(std::string_view part) {
  return part == "lib" || part == "lib32" || part == "lib64";
}

bool is_packages(std::string_view part) {
  return part == "site-packages" || part == "dist-packages";
}

// python3, python2.7, python3.13t: what a version's library is in.
bool is_python(std::string_view part) {
  constexpr std::string_view kPrefix = "python";
  if (!part.starts_with(kPrefix) || part.size() == kPrefix.size()) {
    return false;
  }
  part.remove_prefix(kPrefix.size());
  if (part.front() != '2' && part.front() != '3') {
    return false;
  }
  part.remove_prefix(1);
  if (part.size() > 1 && part[0] == '.' && is_digit(part[1])) {
    part.remove_prefix(1);
    part.remove_prefix(std::min(part.find_first_not_of("0123456789"), part.size()));
  }
  return std::ranges::all_of(part, [](char c) { return c >= 'a' && c <= 'z'; });
}

// How many of the parts in front are where packages lie, not what they are called.
std::size_t count_library_parts(const std::vector<std::string_view>& parts, bool is_cut) {
  for (std::size_t i = parts.size(); i-- > 0;) {
    const bool is_below_lib = i > 0 && is_python(parts[i]) && is_lib(parts[i - 1]);
    if (is_below_lib) {
      return i + 1 < parts.size() && is_packages(parts[i + 1]) ? i + 2 : i + 1;
    }
    if (is_cut && is_packages(parts[i])) {
      return i + 1;  // the rest of where it lies was cut off
    }
  }
  return 0;
}

std::size_t count_zip_parts(const std::vector<std::string_view>& parts, std::size_t from) {
  for (std::size_t i = from; i + 1 < parts.size(); ++i) {
    if (parts[i].ends_with(".zip")) {
      return i + 1;
    }
  }
  return from;
}

// Without what is no name: `//`, `.` and `..` with what it goes back from.
std::vector<std::string_view> split_path(std::string_view path) {
  std::vector<std::string_view> parts;
  for (const std::string_view part : split(path, '/')) {
    if (part == "..") {
      if (!parts.empty()) {
        parts.pop_back();
      }
    } else if (!part.empty() && part != ".") {
      parts.push_back(part);
    }
  }
  return parts;
}

std::string_view without_ending(std::string_view file) {
  for (const std::string_view ending : {".py", ".pyc", ".pyo"}) {
    if (file.ends_with(ending)) {
      return file.substr(0, file.size() - ending.size());
    }
  }
  return file;
}

std::string module_of(std::string_view file) {
  if (is_no_file(file)) {
    return std::string(file);
  }
  const bool is_cut = file.starts_with(kPythonCutMark);
  const std::vector<std::string_view> parts = split_path(without_ending(file));
  std::size_t first = count_library_parts(parts, is_cut);
  if (first == 0 && is_cut && parts.size() > 1) {
    first = 1;
  }
  first = count_zip_parts(parts, first);
  std::string module;
  for (std::size_t i = first; i < parts.size(); ++i) {
    module += module.empty() ? "" : ".";
    module += parts[i];
  }
  return module;
}

}  // namespace

std::string python_frame_text(const PythonFrameNames& names) {
  std::string text = module_of(names.file);
  text += text.empty() ? "" : ".";
  text += names.name.empty() ? kNameless : names.name;
  if (!names.file.empty()) {
    text += fmt::format(" ({}", names.file);
    if (names.line > 0) {
      text += fmt::format(":{}", names.line);
    }
    if (!names.package.empty()) {
      text += fmt::format(" [{}]", names.package);
    }
    text += ")";
  }
  text += kSuffix;
  return text;
}

}  // namespace waggle
