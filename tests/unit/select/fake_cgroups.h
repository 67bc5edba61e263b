// SPDX-License-Identifier: Apache-2.0
// Directories that look like a host's cgroup hierarchies.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tests/temp_dir.h"
#include "userspace/select/cgroup_hierarchies.h"
#include "userspace/select/cgroup_path.h"

namespace waggle {

class FakeCgroups {
 public:
  FakeCgroups() {
    for (const std::string_view name : {"unified", "cpu", "memory", "systemd"}) {
      make(name);
    }
  }

  void make(std::string_view path) const { std::filesystem::create_directories(at(path)); }
  // The real path of "cpu/web".
  [[nodiscard]] std::string at(std::string_view path) const {
    return std::filesystem::canonical(dir_.path()).string() + "/" + std::string(path);
  }

  [[nodiscard]] std::vector<CgroupHierarchy> hierarchies() const {
    return order_hierarchies(std::vector<CgroupMount>{
        {.is_v2 = false, .controllers = "name=systemd", .path = at("systemd")},
        {.is_v2 = false, .controllers = "memory", .path = at("memory")},
        {.is_v2 = false, .controllers = "cpu", .path = at("cpu")},
        {.is_v2 = true, .controllers = "", .path = at("unified")},
    });
  }

  // "cpu/web" of each.
  [[nodiscard]] std::vector<std::string> paths_of(const std::vector<Cgroup>& cgroups) const {
    std::vector<std::string> paths;
    for (const Cgroup& cgroup : cgroups) {
      paths.push_back(cgroup.path.substr(at("").size()));
    }
    return paths;
  }

 private:
  TempDir dir_;
};

}  // namespace waggle
