// SPDX-License-Identifier: Apache-2.0
// The Nodes whose perf maps are on, for as long as an engine records: sessions that follow one
// another find them as they are.  Not for which Nodes a session takes: node_maps.h.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "userspace/tools/linux_perf/map_logging.h"
#include "userspace/tools/linux_perf/node_modules.h"
#include "userspace/tools/linux_perf/node_process.h"

namespace waggle {

// On any thread.  One of its own talks to the Nodes, one after another: two that share a network
// would want the same port.
class NodeAttachments {
 public:
  // More than one waggle can undo in time.
  static constexpr std::size_t kMaxNodes = 64;

  explicit NodeAttachments(NodeModules modules) : modules_(std::move(modules)) {}
  NodeAttachments(const NodeAttachments&) = delete;
  NodeAttachments& operator=(const NodeAttachments&) = delete;
  ~NodeAttachments();

  [[nodiscard]] const NodeModules& modules() const { return modules_; }
  // One that it has already stays as it is.  False: there are kMaxNodes.
  bool add(NodeProcess node);
  // Until all that were added were asked, `limit` at most.
  void wait(std::chrono::milliseconds limit);
  // Since the last call: whose names are missing, and why.
  std::vector<std::pair<pid_t, std::string>> take_problems();

  // Undoes all, without waiting.  Nothing is added afterwards.
  void begin_end();
  // Waits for it until it is to `hurry`, some seconds at most, and removes the maps, that nobody
  // must need any more.  What could not be undone: one line each.
  std::vector<std::string> finish(const std::stop_token& hurry);

 private:
  using Clock = std::chrono::steady_clock;
  using Nodes = std::map<pid_t, std::unique_ptr<MapLogging>>;

  void run(const std::stop_token& stop);
  void begin(std::unique_ptr<MapLogging> logging);
  void retry();
  void tell_waiting();
  void tend();
  void end_all();

  const NodeModules modules_;

  std::mutex mutex_;  // of all below up to the thread's own
  std::condition_variable_any changed_;
  std::map<pid_t, std::uint64_t> known_;  // start of each that was added
  std::deque<std::unique_ptr<MapLogging>> waiting_;
  bool is_busy_ = false;
  bool is_ending_ = false;
  bool has_ended_ = true;       // the thread, which begins with the first Node
  Clock::time_point deadline_;  // once it is ending
  std::vector<std::pair<pid_t, std::string>> problems_;
  std::vector<std::string> left_;

  Nodes nodes_;  // the thread's own, until it has ended
  Clock::time_point next_touch_;
  struct Tries {
    int count = 0;
    std::string reason;  // of the last
  };
  std::map<pid_t, Tries> tries_;  // likewise: of those that may still come
  std::stop_source ending_;       // what it begins is given up
  std::stop_source hurry_;        // all is
  std::jthread thread_;           // last
};

}  // namespace waggle
