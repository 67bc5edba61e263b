// SPDX-License-Identifier: Apache-2.0
// What is told of one program in one process besides its name: noted when it is first sampled, told
// later, by a thread that may read its files.  Not for reading: userspace/metadata.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "userspace/process/process.h"

namespace waggle {

struct ApplicationFacts {
  std::string metadata;  // a JSON object; "": none
  std::string id;        // "python: app.py (/srv/app.py)"; "": none
  bool operator==(const ApplicationFacts&) const = default;
};
// Equal facts are one object, so that their stacks are merged while they come in.
using ApplicationFactsRef = std::shared_ptr<const ApplicationFacts>;

// Any thread.
class Application {
 public:
  Application(std::uint32_t pid, const StartTime& start) : pid_(pid), start_(start) {}

  [[nodiscard]] std::uint32_t pid() const { return pid_; }
  [[nodiscard]] const StartTime& start() const { return start_; }

  void tell(ApplicationFactsRef facts) {
    const std::scoped_lock lock(mutex_);
    facts_ = std::move(facts);
  }
  // nullptr: not told yet, or gone before it could be read.
  [[nodiscard]] ApplicationFactsRef facts() const {
    const std::scoped_lock lock(mutex_);
    return facts_;
  }

 private:
  const std::uint32_t pid_;
  const StartTime start_;
  mutable std::mutex mutex_;
  ApplicationFactsRef facts_;  // guarded by mutex_
};

// Gets each program when it is first sampled, while it lives.  Must not wait.
using ApplicationSink = std::function<void(ApplicationRef)>;

}  // namespace waggle
