// SPDX-License-Identifier: Apache-2.0
#include "userspace/select/cgroup_path.h"

#include <fmt/core.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "base/text.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxListed = 100'000;  // directories looked at for one pattern

bool is_directory(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

bool is_glob(std::string_view component) {
  return component.find_first_of("*?[") != std::string_view::npos;
}

bool has_glob(std::string_view pattern) {
  return std::ranges::any_of(split(pattern, '/'), is_glob);
}

// One pattern, component by component.
class Expansion {
 public:
  explicit Expansion(std::string_view pattern) {
    for (const std::string_view component : split(pattern, '/')) {
      if (!component.empty() && component != ".") {
        components_.emplace_back(component);
      }
    }
  }

  // The directories below `base` that fit.
  Result<std::vector<std::string>> run(const std::string& base) {
    std::vector<std::string> fitting{base};
    for (const std::string& component : components_) {
      std::vector<std::string> next;
      for (const std::string& directory : fitting) {
        TRY(descend(directory, component, next));
      }
      fitting = std::move(next);
    }
    std::ranges::sort(fitting);
    return fitting;
  }

 private:
  Result<> descend(const std::string& directory, const std::string& component,
                   std::vector<std::string>& found) {
    std::string named = directory;
    named += '/';
    named += component;
    if (is_directory(named)) {
      found.push_back(std::move(named));
      return {};
    }
    if (!is_glob(component)) {
      return {};
    }
    std::error_code gone;  // while we look: it has no cgroups then
    std::filesystem::directory_iterator entries(directory, gone);
    for (; !gone && entries != std::filesystem::directory_iterator(); entries.increment(gone)) {
      if (++listed_ > kMaxListed) {
        return fail(Errc::exhausted, fmt::format("more than {} names to compare", kMaxListed));
      }
      const std::string name = entries->path().filename().string();
      if (::fnmatch(component.c_str(), name.c_str(), FNM_NOESCAPE) == 0 &&
          is_directory(entries->path().string())) {
        found.push_back(entries->path().string());
      }
    }
    return {};
  }

  std::vector<std::string> components_;
  std::size_t listed_ = 0;
};

// Without symbolic links: /sys/fs/cgroup/cpu leads to cpu,cpuacct on many hosts.
std::optional<std::string> real_path(const std::string& path) {
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(path, error);
  return error ? std::nullopt : std::optional(real.string());
}

std::unexpected<Error> unmatchable(std::string_view path, const CgroupHierarchy& hierarchy) {
  return fail(Errc::not_found,
              fmt::format("{} lies in {}, a hierarchy without a controller, which the kernel side "
                          "cannot tell; give the path in another one",
                          printable(path), hierarchy.name));
}

// Those of `directories` that lie in `wanted`, or in any hierarchy where it is null.
Result<std::vector<Cgroup>> cgroups_among(const std::vector<std::string>& directories,
                                          std::span<const CgroupHierarchy> hierarchies,
                                          const CgroupHierarchy* wanted, std::size_t limit) {
  std::vector<Cgroup> cgroups;
  for (const std::string& directory : directories) {
    const auto real = real_path(directory);
    const CgroupHierarchy* hierarchy = real ? hierarchy_of(*real, hierarchies) : nullptr;
    if (hierarchy == nullptr || (wanted != nullptr && hierarchy != wanted)) {
      continue;
    }
    if (!hierarchy->number) {
      return unmatchable(*real, *hierarchy);
    }
    if (auto cgroup = cgroup_at(*real, *hierarchy->number)) {
      cgroups.push_back(*std::move(cgroup));
    }
    if (cgroups.size() > limit) {
      return fail(Errc::exhausted,
                  fmt::format("more than {} cgroups match, which is the limit", limit));
    }
  }
  return cgroups;
}

}  // namespace

Result<Cgroup> cgroup_at(const std::string& directory, sel_hierarchy hierarchy) {
  struct stat status{};
  if (::stat(directory.c_str(), &status) != 0) {
    return fail_errno(printable(directory), errno);
  }
  if (!S_ISDIR(status.st_mode)) {
    return fail_errno(printable(directory), ENOTDIR);
  }
  return Cgroup{.hierarchy = hierarchy, .id = status.st_ino, .path = directory};
}

std::string list_hierarchies(std::span<const CgroupHierarchy> hierarchies) {
  std::string text;
  for (const CgroupHierarchy& hierarchy : hierarchies) {
    if (hierarchy.number) {
      text += text.empty() ? "" : ", ";
      text += fmt::format("{} at {}", hierarchy.name, printable(hierarchy.directory));
    }
  }
  return text;
}

Result<std::vector<Cgroup>> find_cgroups(std::string_view pattern,
                                         std::span<const CgroupHierarchy> hierarchies,
                                         std::size_t limit) {
  Expansion expansion(pattern);
  if (pattern.starts_with('/')) {
    const std::vector<std::string> directories = TRY(expansion.run(""));
    auto found = TRY(cgroups_among(directories, hierarchies, nullptr, limit));
    if (!found.empty()) {
      return found;
    }
  }
  for (const CgroupHierarchy& hierarchy : hierarchies) {
    if (!hierarchy.number) {
      continue;
    }
    const std::vector<std::string> directories = TRY(expansion.run(hierarchy.directory));
    auto found = TRY(cgroups_among(directories, hierarchies, &hierarchy, limit));
    if (!found.empty()) {
      return found;
    }
  }
  return fail(
      Errc::not_found,
      fmt::format("no cgroup {} that in {} (see: systemd-cgls, or cat /proc/PID/cgroup)",
                  has_glob(pattern) ? "matches" : "is named", list_hierarchies(hierarchies)));
}

}  // namespace waggle
