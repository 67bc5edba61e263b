// SPDX-License-Identifier: Apache-2.0
// What sessions that follow one another have to say: each may meet the same, a tool that is not
// there, a process that refuses; the log has it once.
#pragma once

#include <cstddef>
#include <mutex>
#include <set>
#include <string>

#include "base/log.h"

namespace waggle {

// On any thread.
class ToldOnce {
 public:
  void warn(const std::string& text) {
    if (is_new(text)) {
      LOG_WARNING("{}", text);
    } else {
      LOG_DEBUG("{} (again)", text);
    }
  }
  void inform(const std::string& text) {
    if (is_new(text)) {
      LOG_INFO("{}", text);
    }
  }

 private:
  static constexpr std::size_t kMaxTold = 1000;

  bool is_new(const std::string& text) {
    const std::scoped_lock lock(mutex_);
    if (told_.size() >= kMaxTold) {
      told_.clear();
    }
    return told_.insert(text).second;
  }

  std::mutex mutex_;
  std::set<std::string> told_;  // guarded by mutex_
};

}  // namespace waggle
