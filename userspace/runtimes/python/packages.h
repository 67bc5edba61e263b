// SPDX-License-Identifier: Apache-2.0
// Which distribution a Python file belongs to: "PyYAML" "6.0" of
// /usr/lib/python3/dist-packages/yaml/scanner.py, as what is installed beside it says.  Not for the
// text of frames.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "symbolizer/module_cache.h"
#include "userspace/runtimes/python/package_metadata.h"

namespace waggle {

// The files of all distributions of one folder.  Of each file there is a hash, not its name, so
// that 100,000 of them take 2 MiB.
class PackageIndex {
 public:
  // Reads the folder's metadata; what cannot be read, or is too much, is left out.
  static PackageIndex read(int folder);

  // `path`: from the folder on.
  [[nodiscard]] const PythonPackage* find(std::string_view path) const;
  [[nodiscard]] std::size_t package_count() const { return packages_.size(); }
  [[nodiscard]] std::size_t size_bytes() const;

 private:
  struct Owned {
    std::uint64_t hash;  // of a path
    std::uint32_t package;
  };

  void add_distribution(int folder, const std::string& name);
  bool add_files(int distribution, std::string_view name, std::uint32_t package);
  void add(std::string_view path, std::uint32_t package, std::vector<Owned>& to) const;
  [[nodiscard]] const PythonPackage* find_in(const std::vector<Owned>& owned,
                                             std::string_view path) const;

  std::size_t read_bytes_ = 0;
  std::vector<PythonPackage> packages_;
  std::vector<Owned> files_;       // sorted by hash; of two distributions the first counts
  std::vector<Owned> top_levels_;  // of distributions that list no files; of one distribution each
};

// One thread.  Folders are read once, and again when something was installed.
class PythonPackages {
 public:
  // `root`: the process' root, an open directory (/proc/PID/root).  `file`: as the process sees it;
  // no link leads out of the root.  Nothing: no distribution is known for it.
  std::optional<PythonPackage> find(int root, std::string_view file);

  [[nodiscard]] std::size_t size_bytes() const { return size_bytes_; }

 private:
  const PackageIndex* index_of(int root, std::string_view folder);

  std::unordered_map<FileIdentity, std::unique_ptr<const PackageIndex>, FileIdentityHash> indexes_;
  std::size_t size_bytes_ = 0;
};

// Opens below `root` as a process with that root would, but follows no link that leads out.
Result<UniqueFd> open_in_root(int root, const std::string& path, int flags);

}  // namespace waggle
