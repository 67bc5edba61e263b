// SPDX-License-Identifier: Apache-2.0
// What libbpf has to say goes into our errors, not past them onto stderr.
#pragma once

#include <string>

namespace waggle {

// While it lives, libbpf's warnings of the whole process are kept here.  One at a time.
class LibbpfLog {
 public:
  LibbpfLog();
  LibbpfLog(const LibbpfLog&) = delete;
  LibbpfLog& operator=(const LibbpfLog&) = delete;
  ~LibbpfLog();

  // The last lines, without the verifier's walk; "" when nothing was said.
  [[nodiscard]] std::string last_lines() const;
};

}  // namespace waggle
