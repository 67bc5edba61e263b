// SPDX-License-Identifier: Apache-2.0
// Cgroups for one test, removed at its end.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/file.h"
#include "base/text.h"
#include "userspace/select/cgroup_hierarchies.h"
#include "userspace/select/cgroup_path.h"

namespace waggle {

class TestCgroup {
 public:
  // `path` is below the hierarchy's mount, its parent is there.
  TestCgroup(const CgroupHierarchy& hierarchy, std::string_view path)
      : hierarchy_(hierarchy), path_(hierarchy.directory + "/" + std::string(path)) {
    CHECK(::mkdir(path_.c_str(), 0755) == 0 || errno == EEXIST);
    if (hierarchy.number == SEL_V1_cpuset) {  // takes no process before
      inherit("cpuset.cpus");
      inherit("cpuset.mems");
    }
  }
  TestCgroup(const TestCgroup&) = delete;
  TestCgroup& operator=(const TestCgroup&) = delete;
  ~TestCgroup() {
    constexpr int kTries = 100;  // one that is just ending keeps it busy for a moment
    for (int i = 0; i < kTries; ++i) {
      const auto left = read_file(path_ + "/cgroup.procs", kLimit);
      for (const std::string_view pid : split(left ? *left : "", '\n')) {
        write(hierarchy_.directory + "/cgroup.procs", pid);
      }
      if (::rmdir(path_.c_str()) == 0 || errno != EBUSY) {
        break;
      }
      ::usleep(10'000);
    }
  }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] Cgroup cgroup() const { return cgroup_at(path_, *hierarchy_.number).value(); }

  // Moves the process here.
  void take(pid_t pid) const { CHECK(write(path_ + "/cgroup.procs", std::to_string(pid))); }

  // Whether this test may make cgroups in it.
  static bool can_be_in(const CgroupHierarchy& hierarchy) {
    if (!hierarchy.number) {
      return false;
    }
    const std::string path = hierarchy.directory + "/waggle_test_probe";
    const bool is_made = ::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST;
    (void)::rmdir(path.c_str());
    return is_made;
  }

  // Those of this host in which it may.
  static std::vector<CgroupHierarchy> hierarchies() {
    std::vector<CgroupHierarchy> usable;
    for (const CgroupHierarchy& hierarchy :
         find_cgroup_hierarchies().value_or(std::vector<CgroupHierarchy>())) {
      if (can_be_in(hierarchy)) {
        usable.push_back(hierarchy);
      }
    }
    return usable;
  }
  // The first of v1, or v2.
  static std::optional<CgroupHierarchy> hierarchy(bool is_v2) {
    for (const CgroupHierarchy& hierarchy : hierarchies()) {
      if ((hierarchy.number == SEL_V2) == is_v2) {
        return hierarchy;
      }
    }
    return std::nullopt;
  }

 private:
  static constexpr std::size_t kLimit = 65536;

  static bool write(const std::string& path, std::string_view text) {
    const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    return file.is_open() && write_all(file.get(), text).has_value();
  }
  void inherit(const std::string& name) const {
    const std::string parent = path_.substr(0, path_.rfind('/'));
    CHECK(write(path_ + "/" + name, read_file(parent + "/" + name, kLimit).value()));
  }

  CgroupHierarchy hierarchy_;
  std::string path_;
};

// A test in v2 (true), and in a hierarchy of v1.
class CgroupTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    hierarchy_ = TestCgroup::hierarchy(GetParam());
    if (!hierarchy_) {
      GTEST_SKIP() << "no cgroup can be made in " << (GetParam() ? "v2" : "v1");
    }
  }

  [[nodiscard]] std::unique_ptr<TestCgroup> make(const std::string& path) const {
    return std::make_unique<TestCgroup>(*hierarchy_, path);
  }

  std::optional<CgroupHierarchy> hierarchy_;
};

}  // namespace waggle
