// SPDX-License-Identifier: Apache-2.0
// What a distribution of Python packages says of itself where it is installed:
//   NAME.dist-info/METADATA              name and version (Core metadata, PEP 566 and before)
//   NAME.dist-info/RECORD                its files (PEP 376: CSV of path, hash, size)
//   NAME.egg-info/PKG-INFO               name and version
//   NAME.egg-info/installed-files.txt    its files, from that folder
//   NAME.…-info/top_level.txt            its modules and packages, one a line
// Pure functions over untrusted text.  Not for finding these files: packages.h.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace waggle {

struct PythonPackage {
  std::string name;
  std::string version;
  bool operator==(const PythonPackage&) const = default;
};

constexpr std::size_t kMaxPackageWord = 128;  // bytes of a name or a version; more is cut

// "PyYAML==6.0"
std::string package_text(const PythonPackage& package);

// Of METADATA or PKG-INFO: the header fields up to the first empty line.  Nothing unless both are
// there.
std::optional<PythonPackage> parse_package_metadata(std::string_view text);

// Calls f(path) for each file, from the folder that packages lie in; those outside of it are left
// out.  The text is valid during the call.
using PackageFileCallback = std::function<void(std::string_view path)>;
void parse_package_record(std::string_view text, const PackageFileCallback& f);
// `folder`: of the list itself, from the folder that packages lie in: "PyYAML-6.0.egg-info".
void parse_installed_files(std::string_view text, std::string_view folder,
                           const PackageFileCallback& f);
// Names of modules and packages; those that are paths are left out.
void parse_top_level(std::string_view text, const PackageFileCallback& f);

// The folder that a file's package lies in, with its "/" at the end: up to the last
// "/site-packages/", else the last "/dist-packages/".  Nothing when there is none, or the path is
// not absolute.
std::optional<std::string_view> packages_folder(std::string_view file);

// Whether a file is of the standard library: below ".../python3.11/", and no package.
bool is_standard_library(std::string_view file);

}  // namespace waggle
