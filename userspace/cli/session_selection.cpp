// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/session_selection.h"

#include <algorithm>
#include <utility>

#include "userspace/cli/record_selection.h"

namespace waggle {

SessionSelection::SessionSelection(const RecordOptions& options, ToldOnce& told)
    : follower_(finder_of(options)), wish_(wish_of(options)), told_(told) {}

Result<std::optional<Selection>> SessionSelection::find_first(
    const std::function<bool()>& is_ending) {
  follower_.ask(wish_, Clock::now());
  follower_.wait(is_ending);
  auto found = follower_.take();
  if (!found) {
    return std::nullopt;
  }
  return TRY(*std::move(found));
}

void SessionSelection::look_for(Clock::time_point begin, std::chrono::seconds session) {
  constexpr Clock::duration kLongest = std::chrono::seconds(2);  // sockets are asked one by one
  if (follower_.may_change(wish_)) {
    follower_.ask(wish_, begin - std::min(kLongest, Clock::duration(session) / 4));
  }
}

Result<std::optional<Selection>> SessionSelection::take() {
  auto found = follower_.take();
  if (found) {
    return TRY(*std::move(found));
  }
  if (follower_.may_change(wish_)) {
    told_.warn(
        "the selection of the next session was not found in time (a container runtime that does "
        "not answer? see --container-socket, --cri-socket): continuing with the selection as it "
        "was until it is");
  }
  return std::nullopt;
}

void SessionSelection::change(const RecordOptions& options) {
  if (!before_) {
    before_ = std::move(wish_);
  }
  wish_ = wish_of(options);
  follower_.ask(wish_, Clock::now());
}

void SessionSelection::forget_change() {
  if (before_) {
    wish_ = *std::exchange(before_, std::nullopt);
  }
}

}  // namespace waggle
