// SPDX-License-Identifier: Apache-2.0
#include "base/unique_fd.h"

#include <unistd.h>

#include <cerrno>

#include "base/check.h"

namespace waggle {

void UniqueFd::reset() {
  if (fd_ < 0) {
    return;
  }
  const int status = ::close(std::exchange(fd_, -1));
  CHECK(status == 0 || errno != EBADF);
}

}  // namespace waggle
