// SPDX-License-Identifier: Apache-2.0
// Who is sampled by the next session, found while this one is on; what is not found by then is
// left for the one after it.  Not for putting it in place: agent_sessions.h.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "base/result.h"
#include "userspace/cli/record_options.h"
#include "userspace/cli/told_once.h"
#include "userspace/select/selection.h"
#include "userspace/select/selection_finder.h"
#include "userspace/select/selection_follower.h"

namespace waggle {

class SessionSelection {
 public:
  using Clock = std::chrono::steady_clock;

  // `told` outlives it.
  SessionSelection(const RecordOptions& options, ToldOnce& told);

  // Of the first session, for which it waits; nothing: `is_ending` said so meanwhile.
  Result<std::optional<Selection>> find_first(const std::function<bool()>& is_ending);
  // Begins to look, in time for the session that begins at `begin`, but not much sooner.
  void look_for(Clock::time_point begin, std::chrono::seconds session);
  // What was found since the last time; nothing: it stays as it was.  Does not wait.
  Result<std::optional<Selection>> take();

  // Another is wanted from now on, until one of the two that follow.
  void change(const RecordOptions& options);
  void settle() { before_.reset(); }  // it is in place
  void forget_change();               // the one before is wanted again

  // What is looked for is not needed any more.
  void stop() { follower_.stop(); }

 private:
  SelectionFollower follower_;
  SelectionWish wish_;
  std::optional<SelectionWish> before_;  // while another is wanted and not in place
  ToldOnce& told_;
};

}  // namespace waggle
