// SPDX-License-Identifier: Apache-2.0
#include "userspace/attach/pin_directory.h"

#include <bpf/bpf.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace waggle {

namespace {

constexpr mode_t kOwnerOnly = 0700;

Result<> check_bpffs(const std::string& path) {
  struct statfs info{};
  if (::statfs(path.c_str(), &info) != 0) {
    return fail_errno(path, errno);
  }
  if (info.f_type != BPF_FS_MAGIC) {
    return fail(
        Errc::unsupported,
        path + ": is not on a BPF file system; mount one with: mount -t bpf bpf /sys/fs/bpf");
  }
  return {};
}

}  // namespace

PinDirectory::PinDirectory(std::string path, bool is_made_by_us)
    : path_(std::move(path)), is_made_by_us_(is_made_by_us) {}

PinDirectory::PinDirectory(PinDirectory&& other) noexcept
    : path_(std::move(other.path_)),
      is_made_by_us_(std::exchange(other.is_made_by_us_, false)),
      pinned_(std::exchange(other.pinned_, {})) {}

Result<PinDirectory> PinDirectory::open(const std::string& path) {
  const bool is_made_by_us = ::mkdir(path.c_str(), kOwnerOnly) == 0;
  if (!is_made_by_us && errno != EEXIST) {
    return fail_errno(path, errno);
  }
  PinDirectory directory(path, is_made_by_us);
  TRY(check_bpffs(path));
  return directory;
}

PinDirectory::~PinDirectory() {
  for (const std::string& name : pinned_) {
    (void)::unlink(name.c_str());  // gone already is as good
  }
  if (is_made_by_us_) {
    (void)::rmdir(path_.c_str());  // somebody else's pins may keep it
  }
}

Result<> PinDirectory::pin_fd(int fd, const std::string& name) {
  std::string path = path_ + "/" + name;
  (void)::unlink(path.c_str());  // of an earlier waggle that was killed
  const int error = bpf_obj_pin(fd, path.c_str());
  if (error != 0) {
    return fail_errno("pin " + path, -error);
  }
  pinned_.push_back(std::move(path));
  return {};
}

Result<> PinDirectory::pin(bpf_object* object) {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    std::string name = bpf_map__name(map);
    std::ranges::replace(name, '.', '_');  // bpffs refuses dots
    TRY(pin_fd(bpf_map__fd(map), name));
  }
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    if (bpf_program__fd(program) >= 0) {
      TRY(pin_fd(bpf_program__fd(program), bpf_program__name(program)));
    }
  }
  return {};
}

}  // namespace waggle
