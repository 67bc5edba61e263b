// SPDX-License-Identifier: Apache-2.0
// Programs and maps under readable names in bpffs, for bpftool, while we live.
#pragma once

#include <bpf/libbpf.h>

#include <string>
#include <vector>

#include "base/result.h"

namespace waggle {

// Removes on destruction what it pinned, and the directory if it made it.
class PinDirectory {
 public:
  // Makes `path` (0700) if it is not there.  Errc::unsupported: not on bpffs; the text says how to
  // mount one.
  static Result<PinDirectory> open(const std::string& path);

  PinDirectory(PinDirectory&& other) noexcept;
  PinDirectory& operator=(PinDirectory&&) = delete;
  PinDirectory(const PinDirectory&) = delete;
  PinDirectory& operator=(const PinDirectory&) = delete;
  ~PinDirectory();

  // Every map and every loaded program of `object`.  A pin that a killed waggle left is replaced.
  Result<> pin(bpf_object* object);

 private:
  PinDirectory(std::string path, bool is_made_by_us);
  Result<> pin_fd(int fd, const std::string& name);

  std::string path_;
  bool is_made_by_us_;
  std::vector<std::string> pinned_;
};

}  // namespace waggle
