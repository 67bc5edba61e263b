// SPDX-License-Identifier: Apache-2.0
// --nodejs-mode attach-maps beside a recording: Nodes are made to write perf maps, which name their
// functions in the system profiler's own stacks.  Not for how: tools/linux_perf/map_logging.h.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "userspace/runtime_profilers/node_attachments.h"
#include "userspace/runtime_profilers/notes.h"
#include "userspace/runtime_profilers/processes.h"
#include "userspace/runtime_profilers/profiler.h"
#include "userspace/runtimes/runtime_files.h"

namespace waggle {

class NodeMaps final : public RuntimeProfiler {
 public:
  // Of one session; `nodes`, which is not nullptr, outlives it.
  static Result<std::unique_ptr<NodeMaps>> prepare(std::shared_ptr<NodeAttachments> nodes,
                                                   const RuntimeTargets& targets);
  NodeMaps(const NodeMaps&) = delete;
  NodeMaps& operator=(const NodeMaps&) = delete;
  ~NodeMaps() override = default;

  void select_pid(pid_t pid) override { processes_.select_pid(pid); }
  void add(pid_t pid) override { processes_.add(pid); }
  void prepare_start() override;
  void start() override;
  [[nodiscard]] int fd() const override { return loop_.fd(); }
  Result<> on_readable() override { return {}; }
  void tick() override;
  std::vector<std::string> take_problems() override;
  void interrupt() override;
  Result<RuntimeReport> finish(const std::stop_token& hurry) override;

 private:
  using Verdict = RuntimeProcesses::Verdict;

  NodeMaps(std::shared_ptr<NodeAttachments> nodes, const RuntimeTargets& targets, EventLoop loop);
  Verdict look_at(pid_t pid);
  bool has_module();
  void skip(pid_t pid, const std::string& reason);

  std::shared_ptr<NodeAttachments> nodes_;
  EventLoop loop_;  // empty
  RuntimeFiles files_;
  RuntimeProcesses processes_;
  RuntimeNotes notes_{"node-linux-perf"};
  bool has_started_ = false;
  bool has_looked_for_module_ = false;
  bool has_module_ = false;
  std::map<pid_t, std::string> starting_;  // not asked yet, and why
  std::size_t count_ = 0;                  // of those that were handed on
  bool is_interrupted_ = false;
};

}  // namespace waggle
