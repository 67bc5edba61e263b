// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtimes/python/package_metadata.h"

#include <algorithm>
#include <cctype>
#include <vector>

#include "base/text.h"

namespace waggle {

namespace {

constexpr std::string_view kSitePackages = "/site-packages/";
constexpr std::string_view kDistPackages = "/dist-packages/";

// Without '\r', for files that were written elsewhere.
template <class F>
void for_each_line(std::string_view text, F&& f) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (!f(line)) {
      return;
    }
  }
}

bool is_field(std::string_view line, std::string_view name) {
  return line.size() > name.size() && line[name.size()] == ':' &&
         std::ranges::equal(line.substr(0, name.size()), name, [](char a, char b) {
           return std::tolower(static_cast<unsigned char>(a)) == b;
         });
}

// The first field of a line of CSV.  Where it is quoted, `unquoted` holds it.
std::string_view first_field(std::string_view line, std::string& unquoted) {
  if (!line.starts_with('"')) {
    return line.substr(0, line.find(','));
  }
  unquoted.clear();
  for (std::size_t i = 1; i < line.size(); ++i) {
    if (line[i] == '"') {
      if (i + 1 == line.size() || line[i + 1] != '"') {
        break;
      }
      ++i;
    }
    unquoted += line[i];
  }
  return unquoted;
}

// "a/./b/../c" is "a/c"; nothing when it leads out, or nowhere.
std::optional<std::string> normal_path(std::string_view path) {
  std::vector<std::string_view> parts;
  for (const std::string_view part : split(path, '/')) {
    if (part == "..") {
      if (parts.empty()) {
        return std::nullopt;
      }
      parts.pop_back();
    } else if (!part.empty() && part != ".") {
      parts.push_back(part);
    }
  }
  std::string normal;
  for (const std::string_view part : parts) {
    normal += normal.empty() ? "" : "/";
    normal += part;
  }
  return normal.empty() ? std::nullopt : std::optional(normal);
}

void visit_path(std::string_view path, const PackageFileCallback& f) {
  if (path.empty() || path.starts_with('/')) {
    return;
  }
  if (const auto normal = normal_path(path)) {
    f(*normal);
  }
}

// "python3.11", "python2.7", "python3.13t".
bool is_versioned_python(std::string_view part) {
  constexpr std::string_view kPrefix = "python";
  if (!part.starts_with(kPrefix)) {
    return false;
  }
  part.remove_prefix(kPrefix.size());
  if (part.ends_with('t')) {
    part.remove_suffix(1);
  }
  const std::size_t dot = part.find('.');
  return dot == 1 && parse_number<unsigned>(part.substr(0, 1)) &&
         parse_number<unsigned>(part.substr(2)) && part.size() <= 4;
}

}  // namespace

std::string package_text(const PythonPackage& package) {
  return package.name + "==" + package.version;
}

std::optional<PythonPackage> parse_package_metadata(std::string_view text) {
  PythonPackage package;
  for_each_line(text, [&](std::string_view line) {
    const auto take = [&](std::string_view field, std::string& value) {
      if (value.empty() && is_field(line, field)) {
        value = printable(trimmed(line.substr(field.size() + 1)).substr(0, kMaxPackageWord));
      }
    };
    take("name", package.name);
    take("version", package.version);
    return !line.empty();
  });
  return package.name.empty() || package.version.empty() ? std::nullopt : std::optional(package);
}

void parse_package_record(std::string_view text, const PackageFileCallback& f) {
  std::string unquoted;
  for_each_line(text, [&](std::string_view line) {
    visit_path(first_field(line, unquoted), f);
    return true;
  });
}

void parse_installed_files(std::string_view text, std::string_view folder,
                           const PackageFileCallback& f) {
  for_each_line(text, [&](std::string_view line) {
    if (!line.empty() && !line.starts_with('/')) {
      visit_path(std::string(folder).append("/").append(line), f);
    }
    return true;
  });
}

void parse_top_level(std::string_view text, const PackageFileCallback& f) {
  for_each_line(text, [&](std::string_view line) {
    const std::string_view name = trimmed(line);
    if (!name.empty() && name.find('/') == std::string_view::npos && name != "." && name != "..") {
      f(name);
    }
    return true;
  });
}

std::optional<std::string_view> packages_folder(std::string_view file) {
  if (!file.starts_with('/')) {
    return std::nullopt;
  }
  for (const std::string_view name : {kSitePackages, kDistPackages}) {
    const std::size_t at = file.rfind(name);
    if (at != std::string_view::npos) {
      return file.substr(0, at + name.size());
    }
  }
  return std::nullopt;
}

bool is_standard_library(std::string_view file) {
  if (!file.starts_with('/') || packages_folder(file)) {
    return false;
  }
  auto parts = split(file, '/');
  parts.pop_back();  // the file itself
  return std::ranges::any_of(parts, is_versioned_python);
}

}  // namespace waggle
