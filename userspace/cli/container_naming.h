// SPDX-License-Identifier: Apache-2.0
// Containers of a recording get their names, where those are wanted: for record, agent and top
// alike.  Not for asking: remote/container_names.h.
#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "userspace/cli/record_options.h"
#include "userspace/process/process.h"
#include "userspace/profile/profile.h"
#include "userspace/remote/container_names.h"

namespace waggle {

// Any thread.
class ContainerNaming {
 public:
  // For names that have not come yet, at the end of a recording.
  static constexpr std::chrono::milliseconds kPatience{500};

  explicit ContainerNaming(const RecordOptions& options);

  // Else containers are shown by their ids.
  [[nodiscard]] bool is_on() const { return names_.has_value(); }
  // Those that an engine has met.  Does not wait.
  void want(const std::vector<ContainerRef>& containers);
  // With the names that are there, or come before `patience` is over or there is a hurry.
  Profile name(Profile profile, std::chrono::milliseconds patience,
               const std::stop_token& hurry = {});
  // Why there are ids in their place, once.
  std::optional<std::string> take_problem();

 private:
  std::optional<ContainerNames> names_;
};

}  // namespace waggle
