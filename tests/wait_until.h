// SPDX-License-Identifier: Apache-2.0
// What another process will do, awaited.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

namespace waggle {

inline bool wait_until(const std::function<bool()>& is_done,
                       std::chrono::seconds limit = std::chrono::seconds(30)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!is_done() && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return is_done();
}

}  // namespace waggle
