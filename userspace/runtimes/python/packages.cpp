// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtimes/python/packages.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <utility>

#include "base/file.h"
#include "base/unique_c.h"

namespace waggle {

namespace {

// An installation of data science has some 500 distributions and 100,000 files.
constexpr std::size_t kMaxEntries = 65'536;  // of a folder
constexpr std::size_t kMaxDistributions = 8192;
constexpr std::size_t kMaxFiles = 1 << 20;
constexpr std::size_t kMaxListBytes = 16 << 20;
constexpr std::size_t kMaxMetadataBytes = 1 << 20;  // with the description behind the fields
constexpr std::size_t kMaxReadBytes = std::size_t{256} << 20;  // of all lists of a folder
constexpr std::size_t kMaxCacheBytes = 32 << 20;

using Directory = std::unique_ptr<DIR, Deleter<::closedir>>;

std::uint64_t hash_of(std::string_view path) {
  return std::hash<std::string_view>()(path);
}

Result<UniqueFd> open_beneath(int folder, const std::string& path, int flags,
                              std::uint64_t resolve) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC;
  how.resolve = resolve;
  const long fd = ::syscall(SYS_openat2, folder, path.c_str(), &how, sizeof(how));
  return fd < 0 ? Result<UniqueFd>(fail_errno(path, errno)) : UniqueFd(static_cast<int>(fd));
}

// Nothing but a regular file is opened: a device can have effects, a pipe blocks.
std::optional<std::string> read_regular(int folder, const std::string& name, std::size_t limit) {
  const auto handle = open_beneath(folder, name, O_PATH, RESOLVE_BENEATH);
  struct stat status{};
  if (!handle || ::fstat(handle->get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return std::nullopt;
  }
  const auto file =
      open_file(fmt::format("/proc/self/fd/{}", handle->get()), O_RDONLY | O_NONBLOCK | O_NOCTTY);
  auto text = file ? read_all(file->get(), limit) : std::unexpected(file.error());
  return text ? std::optional(*std::move(text)) : std::nullopt;
}

std::vector<std::string> list_distributions(int folder) {
  std::vector<std::string> names;
  UniqueFd fd(::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const Directory directory(fd.is_open() ? ::fdopendir(fd.get()) : nullptr);
  if (!directory) {
    return names;
  }
  (void)fd.release();  // closed with the directory
  std::size_t seen = 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string_view name = entry->d_name;
    if (++seen > kMaxEntries || names.size() >= kMaxDistributions) {
      break;
    }
    if (name.ends_with(".dist-info") || name.ends_with(".egg-info")) {
      names.emplace_back(name);
    }
  }
  std::ranges::sort(names);  // the order of a directory is any
  return names;
}

}  // namespace

Result<UniqueFd> open_in_root(int root, const std::string& path, int flags) {
  return open_beneath(root, path, flags, RESOLVE_IN_ROOT);
}

void PackageIndex::add(std::string_view path, std::uint32_t package, std::vector<Owned>& to) const {
  if (files_.size() + top_levels_.size() < kMaxFiles) {
    to.push_back({hash_of(path), package});
  }
}

// False: it does not say which files are its own.
bool PackageIndex::add_files(int distribution, std::string_view name, std::uint32_t package) {
  const auto add_source = [&](std::string_view path) {
    if (path.ends_with(".py")) {
      add(path, package, files_);
    }
  };
  if (const auto record = read_regular(distribution, "RECORD", kMaxListBytes)) {
    read_bytes_ += record->size();
    parse_package_record(*record, add_source);
    return true;
  }
  if (const auto list = read_regular(distribution, "installed-files.txt", kMaxListBytes)) {
    read_bytes_ += list->size();
    parse_installed_files(*list, name, add_source);
    return true;
  }
  return false;
}

void PackageIndex::add_distribution(int folder, const std::string& name) {
  if (read_bytes_ > kMaxReadBytes) {
    return;
  }
  const auto opened = open_beneath(folder, name, O_RDONLY | O_DIRECTORY, RESOLVE_BENEATH);
  if (!opened) {
    return;  // an .egg-info can be a file, which lists nothing
  }
  const int distribution = opened->get();
  const char* metadata = name.ends_with(".dist-info") ? "METADATA" : "PKG-INFO";
  const auto text = read_regular(distribution, metadata, kMaxMetadataBytes);
  const auto package = text ? parse_package_metadata(*text) : std::nullopt;
  if (!package) {
    return;
  }
  const auto number = static_cast<std::uint32_t>(packages_.size());
  packages_.push_back(*package);
  if (add_files(distribution, name, number)) {
    return;
  }
  // Debian's packages leave the lists out.
  if (const auto top = read_regular(distribution, "top_level.txt", kMaxListBytes)) {
    read_bytes_ += top->size();
    parse_top_level(*top, [&](std::string_view path) { add(path, number, top_levels_); });
  }
}

PackageIndex PackageIndex::read(int folder) {
  PackageIndex index;
  for (const std::string& name : list_distributions(folder)) {
    index.add_distribution(folder, name);
  }
  std::ranges::stable_sort(index.files_, {}, &Owned::hash);
  // A name that several share (namespace packages) tells nothing.
  std::vector<Owned>& tops = index.top_levels_;
  std::ranges::stable_sort(tops, {}, &Owned::hash);
  std::vector<Owned> single;
  for (auto first = tops.begin(); first != tops.end();) {
    const auto end = std::find_if(first, tops.end(),
                                  [&](const Owned& other) { return other.hash != first->hash; });
    if (end - first == 1) {
      single.push_back(*first);
    }
    first = end;
  }
  tops = std::move(single);
  index.files_.shrink_to_fit();
  return index;
}

const PythonPackage* PackageIndex::find_in(const std::vector<Owned>& owned,
                                           std::string_view path) const {
  const std::uint64_t hash = hash_of(path);
  const auto found = std::ranges::lower_bound(owned, hash, {}, &Owned::hash);
  return found != owned.end() && found->hash == hash ? &packages_[found->package] : nullptr;
}

const PythonPackage* PackageIndex::find(std::string_view path) const {
  if (const PythonPackage* package = find_in(files_, path)) {
    return package;
  }
  std::string_view top = path.substr(0, path.find('/'));
  if (top.size() == path.size() && top.ends_with(".py")) {
    top.remove_suffix(3);
  }
  return find_in(top_levels_, top);
}

std::size_t PackageIndex::size_bytes() const {
  constexpr std::size_t kPackageBytes = sizeof(PythonPackage) + 2 * kMaxPackageWord;
  return sizeof(PackageIndex) + packages_.size() * kPackageBytes +
         (files_.capacity() + top_levels_.capacity()) * sizeof(Owned);
}

const PackageIndex* PythonPackages::index_of(int root, std::string_view folder) {
  const auto opened = open_in_root(root, std::string(folder), O_RDONLY | O_DIRECTORY);
  const auto identity = opened ? identify(opened->get()) : std::unexpected(opened.error());
  if (!identity) {
    return nullptr;
  }
  if (const auto known = indexes_.find(*identity); known != indexes_.end()) {
    return known->second.get();
  }
  auto index = std::make_unique<const PackageIndex>(PackageIndex::read(opened->get()));
  if (size_bytes_ + index->size_bytes() > kMaxCacheBytes) {
    indexes_.clear();  // they are read again when they are wanted
    size_bytes_ = 0;
  }
  size_bytes_ += index->size_bytes();
  return indexes_.emplace(*identity, std::move(index)).first->second.get();
}

std::optional<PythonPackage> PythonPackages::find(int root, std::string_view file) {
  const auto folder = packages_folder(file);
  const PackageIndex* index = folder ? index_of(root, *folder) : nullptr;
  const PythonPackage* package =
      index != nullptr ? index->find(file.substr(folder->size())) : nullptr;
  return package != nullptr ? std::optional(*package) : std::nullopt;
}

}  // namespace waggle
