// SPDX-License-Identifier: Apache-2.0
#include "userspace/select/container_cgroups.h"

#include <fmt/core.h>

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "userspace/process/container_id.h"
#include "userspace/select/cgroup_walk.h"

namespace waggle {

namespace {

// The containers of one hierarchy whose ids begin so: their cgroups, as long as it is one.
class ContainerSearch {
 public:
  ContainerSearch(std::string_view prefix, const CgroupHierarchy& hierarchy)
      : prefix_(prefix), hierarchy_(hierarchy) {}

  Result<std::vector<Cgroup>> run() {
    const Result<> walked = walk_cgroups(hierarchy_.directory, [this](const SeenCgroup& seen) {
      consider(seen);
      return !other_id_;
    });
    if (!walked && walked.error().code == Errc::exhausted) {
      return std::unexpected(walked.error());  // else it is not there for us: others may be
    }
    if (other_id_) {
      return fail(Errc::not_found,
                  fmt::format("{} and {} begin so, give more digits", id_, *std::move(other_id_)));
    }
    return std::move(found_);
  }

 private:
  void consider(const SeenCgroup& seen) {
    const std::string_view id = container_id_of(seen.name);
    if (id.empty() || !id.starts_with(prefix_) || other_id_) {
      return;
    }
    if (!id_.empty() && id != id_) {
      other_id_ = id;
      return;
    }
    id_ = id;
    std::string path = hierarchy_.directory + seen.below_mount;
    const bool is_inside = !found_.empty() && is_at_or_below(path, found_.back().path);
    if (!is_inside) {
      found_.push_back({.hierarchy = *hierarchy_.number, .id = seen.id, .path = std::move(path)});
    }
  }

  std::string_view prefix_;
  const CgroupHierarchy& hierarchy_;
  std::string id_;  // of what was found
  std::optional<std::string> other_id_;
  std::vector<Cgroup> found_;
};

}  // namespace

bool is_start_of_container_id(std::string_view text) {
  constexpr std::size_t kMaxDigits = 64;
  return text.size() <= kMaxDigits && !text.starts_with('-') &&
         text.find_first_not_of("0123456789abcdef-") == std::string_view::npos;
}

Result<std::vector<Cgroup>> find_container(std::string_view prefix,
                                           std::span<const CgroupHierarchy> hierarchies) {
  for (const CgroupHierarchy& hierarchy : hierarchies) {
    if (!hierarchy.number) {
      continue;
    }
    std::vector<Cgroup> found = TRY(ContainerSearch(prefix, hierarchy).run());
    if (!found.empty()) {
      return found;
    }
  }
  return fail(
      Errc::not_found,
      fmt::format("no container's id begins so in {} (see: docker ps, crictl ps, podman ps)",
                  list_hierarchies(hierarchies)));
}

}  // namespace waggle
