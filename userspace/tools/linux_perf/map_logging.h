// SPDX-License-Identifier: Apache-2.0
// The perf map of one running Node that was not started with --perf-basic-prof: linux-perf is
// loaded into it through its inspector, and V8 says from then on what its code is called.  Not for
// which Nodes, nor when: runtime_profilers/node_attachments.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "userspace/tools/linux_perf/inspector.h"
#include "userspace/tools/linux_perf/inspector_reply.h"
#include "userspace/tools/linux_perf/listening_ports.h"
#include "userspace/tools/linux_perf/node_modules.h"
#include "userspace/tools/linux_perf/node_process.h"
#include "userspace/tools/placement.h"

namespace waggle {

// One thread; begin() and end() wait.  Destruction removes what lies in the Node's root; of logging
// that is still on the Node lets go by itself.
class MapLogging {
 public:
  // Without us it goes on for so long at most.
  static constexpr std::chrono::seconds kMaxUnattended{90};

  explicit MapLogging(NodeProcess node) : node_(std::move(node)) {}
  MapLogging(const MapLogging&) = delete;
  MapLogging& operator=(const MapLogging&) = delete;
  ~MapLogging() { remove_map(); }

  [[nodiscard]] const NodeProcess& node() const { return node_; }
  // For all we know.
  [[nodiscard]] bool is_on() const { return is_on_; }
  // It was asked to open its inspector and has not yet: it may later.
  [[nodiscard]] bool is_opening() const { return !was_listening_.empty(); }

  // Errc::exhausted: the Node does not answer in time; call it again later.
  Result<> begin(const NodeModules& modules, const InspectorPatience& patience);
  // That we are here: a few times in kMaxUnattended.
  void touch() const;
  // Also where begin() has failed: closes an inspector that was opened too late.  Errc::exhausted:
  // likewise.
  Result<> end(const InspectorPatience& patience);

 private:
  Result<std::optional<ListeningPort>> find_open_port() const;
  Result<ListeningPort> open_port(const InspectorPatience& patience);
  Result<Inspector> connect(const InspectorPatience& patience);
  Result<NodeDescription> describe(Inspector& inspector, const InspectorPatience& patience) const;
  Result<> start(Inspector& inspector, const NodeModules& modules,
                 const InspectorPatience& patience);
  Result<> close(Inspector& inspector, const InspectorPatience& patience);
  Result<> stop(Inspector& inspector, const InspectorPatience& patience);
  void remove_map();

  NodeProcess node_;
  std::vector<std::uint64_t> was_listening_;  // sockets, before it was asked to open its inspector
  std::optional<ListeningPort> opened_;       // of the inspector that we have to close
  UniqueFd temporary_;                        // its /tmp, where the map is
  std::optional<LibraryPlace> place_;
  bool is_on_ = false;
  bool has_map_ = false;
};

}  // namespace waggle
