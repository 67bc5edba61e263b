// SPDX-License-Identifier: Apache-2.0
#include "base/work_directory.h"

#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace waggle {

Result<WorkDirectory> WorkDirectory::make() {
  const char* root = ::secure_getenv("TMPDIR");
  const bool is_usable = root != nullptr && root[0] == '/';  // a relative one moves with us
  std::string path = std::string(is_usable ? root : "/tmp") + "/waggle-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) {
    return fail_errno(path, errno);
  }
  return WorkDirectory(std::move(path));
}

WorkDirectory& WorkDirectory::operator=(WorkDirectory&& other) noexcept {
  if (this != &other) {
    remove();
    path_ = std::exchange(other.path_, {});
  }
  return *this;
}

void WorkDirectory::remove() {
  if (!path_.empty()) {
    std::error_code left;  // a file left in a directory for temporary ones
    std::filesystem::remove_all(std::exchange(path_, {}), left);
  }
}

}  // namespace waggle
