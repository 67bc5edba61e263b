// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtime_profilers/node_maps.h"

#include <fmt/core.h>

#include <chrono>
#include <utility>

#include "base/text.h"
#include "userspace/process/proc_fs.h"
#include "userspace/tools/linux_perf/node_process.h"

namespace waggle {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kFirstWait(2);

std::string name_of(pid_t pid) {
  const auto stat = ProcFs().read_stat(static_cast<std::uint32_t>(pid));
  return stat ? printable(stat->comm) : "gone";
}

}  // namespace

NodeMaps::NodeMaps(std::shared_ptr<NodeAttachments> nodes, const RuntimeTargets& targets,
                   EventLoop loop)
    : nodes_(std::move(nodes)),
      loop_(std::move(loop)),
      processes_(targets, [this](pid_t pid, const ProcStat&) { return look_at(pid); }) {}

Result<std::unique_ptr<NodeMaps>> NodeMaps::prepare(std::shared_ptr<NodeAttachments> nodes,
                                                    const RuntimeTargets& targets) {
  EventLoop loop = TRY(EventLoop::open());
  return std::unique_ptr<NodeMaps>(new NodeMaps(std::move(nodes), targets, std::move(loop)));
}

// Samples that are looked at before there is a map have no names.
void NodeMaps::prepare_start() {
  start();
  const auto end = Clock::now() + kFirstWait;
  while (processes_.limit() == 0 && !processes_.has_looked() && Clock::now() < end) {
    processes_.tick();  // a slice of them
  }
  nodes_->wait(std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()));
}

void NodeMaps::start() {
  if (!std::exchange(has_started_, true)) {
    processes_.start();
  }
}

void NodeMaps::tick() {
  if (!is_interrupted_) {
    processes_.tick();
  }
}

bool NodeMaps::has_module() {
  if (!std::exchange(has_looked_for_module_, true)) {
    const Result<> found = nodes_->modules().find_any();
    has_module_ = found.has_value();
    if (!found) {
      notes_.add_problem(found.error().what + "; continuing without the functions of Node");
    }
  }
  return has_module_;
}

NodeMaps::Verdict NodeMaps::look_at(pid_t pid) {
  if (!files_.has(pid, Runtime::node)) {
    return Verdict::not_yet;
  }
  auto node = find_node(pid);
  if (!node) {
    return Verdict::not_yet;
  }
  const auto refusal = why_not_to_inspect(*node);
  if (refusal && refusal->may_pass && node->is_starting()) {
    starting_[pid] = refusal->reason;
    return Verdict::not_yet;
  }
  starting_.erase(pid);
  if (refusal) {
    if (!refusal->needs_nothing) {
      skip(pid, refusal->reason);
    }
    return Verdict::decided;
  }
  if (!has_module()) {
    return Verdict::decided;
  }
  if (processes_.is_limit_reached(count_)) {
    notes_.exclude(fmt::format("--max-processes-runtime-profiler {}", processes_.limit()), pid);
  } else if (!nodes_->add(*std::move(node))) {
    notes_.exclude(fmt::format("more than {} Nodes at once", NodeAttachments::kMaxNodes), pid);
  } else {
    ++count_;
  }
  return Verdict::decided;
}

void NodeMaps::skip(pid_t pid, const std::string& reason) {
  notes_.exclude(reason, pid);
  notes_.tell(fmt::format("process {} ({}): {}, continuing without the names of its functions", pid,
                          name_of(pid), reason));
}

std::vector<std::string> NodeMaps::take_problems() {
  for (const auto& [pid, reason] : nodes_->take_problems()) {
    notes_.add_problem(
        fmt::format("process {} ({}): {}, continuing without the names of its functions", pid,
                    name_of(pid), reason));
  }
  return notes_.take_untold();
}

void NodeMaps::interrupt() {
  is_interrupted_ = true;
  for (const auto& [pid, reason] : std::exchange(starting_, {})) {
    skip(pid, reason);  // the recording is over before one can know
  }
}

Result<RuntimeReport> NodeMaps::finish(const std::stop_token&) {
  for (std::string& text : take_problems()) {
    notes_.tell(std::move(text));  // they are taken once more
  }
  return RuntimeReport{.stacks = {},
                       .tool = "node-linux-perf",
                       .state = notes_.state(count_ != 0),
                       .excluded = notes_.excluded(),
                       .cpu_time = {}};
}

}  // namespace waggle
