// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/linux_perf/map_logging.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "userspace/tools/linux_perf/scripts.h"
#include "userspace/tools/target_root.h"

namespace waggle {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kTemporary = "/tmp";  // linux-perf's, as perf's
// An own socket that listens on nothing that was there before; never a number of a socket.
constexpr std::uint64_t kNobody = 0;

bool has(const std::vector<std::uint64_t>& inodes, std::uint64_t inode) {
  return std::ranges::find(inodes, inode) != inodes.end();
}

std::string map_name(const NodeProcess& node) {
  return fmt::format("perf-{}.map", node.status.innermost_pid);
}

}  // namespace

// An error: its port is another process', which we would talk to.
Result<std::optional<ListeningPort>> MapLogging::find_open_port() const {
  const std::uint16_t expected = inspector_port(node_);
  std::optional<ListeningPort> of_another;
  for (ListeningPort& port : TRY(read_listening_ports(node_))) {
    if (port.port != expected) {
      continue;
    }
    if (has_socket(node_, port.inode)) {
      return std::move(port);
    }
    of_another = std::move(port);
  }
  if (of_another) {
    return fail(Errc::unsupported,
                fmt::format("port {} of its inspector is another process'", expected));
  }
  return std::nullopt;
}

// The socket that is new since it was asked, and its own.
Result<ListeningPort> MapLogging::open_port(const InspectorPatience& patience) {
  if (!is_opening()) {
    was_listening_.push_back(kNobody);
    for (const ListeningPort& port : TRY(read_listening_ports(node_))) {
      was_listening_.push_back(port.inode);
    }
    if (const Result<> sent = ask_for_inspector(node_); !sent) {
      was_listening_.clear();
      return std::unexpected(sent.error());
    }
  }
  do {
    for (ListeningPort& port : TRY(read_listening_ports(node_))) {
      if (!has(was_listening_, port.inode) && has_socket(node_, port.inode)) {
        was_listening_.clear();
        return std::move(port);
      }
    }
    std::this_thread::sleep_for(Inspector::kSlice);
  } while (!patience.is_over() && node_.is_alive());
  return fail(Errc::exhausted, node_.is_alive() ? "its inspector does not open" : "it has ended");
}

Result<Inspector> MapLogging::connect(const InspectorPatience& patience) {
  if (opened_ && !has_socket(node_, opened_->inode)) {
    opened_.reset();  // somebody has closed it
  }
  if (!opened_ && !is_opening()) {
    if (const auto port = TRY(find_open_port())) {
      return Inspector::connect(node_, *port, patience);
    }
  }
  if (!opened_) {
    opened_ = TRY(open_port(patience));
  }
  return Inspector::connect(node_, *opened_, patience);
}

Result<> MapLogging::close(Inspector& inspector, const InspectorPatience& patience) {
  if (!opened_) {
    return {};  // somebody else's session
  }
  constexpr std::chrono::milliseconds kMore(500);  // for what is late already
  TRY(inspector.evaluate_last(
      kCloseInspector,
      {.deadline = std::max(patience.deadline, Clock::now() + kMore), .hurry = patience.hurry}));
  opened_.reset();
  return {};
}

Result<NodeDescription> MapLogging::describe(Inspector& inspector,
                                             const InspectorPatience& patience) const {
  const std::string text = TRY(inspector.evaluate(kDescribeNode, patience));
  NodeDescription description = TRY(parse_node_description(text));
  if (description.pid != node_.status.innermost_pid) {
    return fail(Errc::permission, "its inspector's port leads to another process");
  }
  return description;
}

Result<> MapLogging::start(Inspector& inspector, const NodeModules& modules,
                           const InspectorPatience& patience) {
  const NodeDescription described = TRY(describe(inspector, patience));
  const std::string module = TRY(modules.find(node_.is_musl, described.major));
  const std::string earlier =
      described.place.empty() ? "" : fmt::format("{}/{}", described.place, kNodeModuleFile);
  if (!earlier.empty() && !is_placed_by_us(earlier, kNodeModuleFile)) {
    return fail(Errc::unsupported, "it keeps something else where waggle keeps its module");
  }
  place_.reset();  // of a try before
  place_.emplace(TRY(LibraryPlace::make(node_, module, kNodeModuleFile, earlier)));
  const UniqueFd root = TRY(node_.open_root());
  temporary_ = TRY(open_directory_in_root(root.get(), kTemporary));
  const Result<std::string> started = inspector.evaluate(
      start_logging(place_->path(), place_->library(), kMaxUnattended), patience);
  is_on_ = started || started.error().code == Errc::exhausted;  // that: perhaps
  has_map_ |= is_on_;
  return started ? Result<>() : std::unexpected(started.error());
}

Result<> MapLogging::begin(const NodeModules& modules, const InspectorPatience& patience) {
  Inspector inspector = TRY(connect(patience));
  const Result<> started = start(inspector, modules, patience);
  const Result<> closed = close(inspector, patience);
  if (!is_on_) {
    place_.reset();
  }
  return started ? closed : started;
}

void MapLogging::touch() const {
  if (place_) {
    place_->touch();
  }
}

Result<> MapLogging::stop(Inspector& inspector, const InspectorPatience& patience) {
  (void)TRY(describe(inspector, patience));
  if (is_on_) {
    (void)TRY(inspector.evaluate(stop_logging(place_->path()), patience));
    is_on_ = false;
  }
  return {};
}

Result<> MapLogging::end(const InspectorPatience& patience) {
  const bool has_nothing = !is_on_ && !is_opening() && !opened_;
  if (has_nothing || !node_.is_alive()) {
    is_on_ = false;
    return {};
  }
  Inspector inspector = TRY(connect(patience));
  const Result<> stopped = stop(inspector, patience);
  const Result<> closed = close(inspector, patience);
  return stopped ? closed : stopped;
}

// The map of a Node that goes on writing to it stays away all the same: nobody reads it any more.
void MapLogging::remove_map() {
  if (!has_map_) {
    return;
  }
  const std::string name = map_name(node_);
  const auto status = status_at(temporary_.get(), name);
  if (status && S_ISREG(status->st_mode) && status->st_uid == node_.status.effective_uid) {
    (void)::unlinkat(temporary_.get(), name.c_str(), 0);  // it is gone, or of another one's by now
  }
}

}  // namespace waggle
