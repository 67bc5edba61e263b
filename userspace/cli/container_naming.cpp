// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/container_naming.h"

#include <string_view>
#include <utility>

#include "userspace/cli/record_selection.h"
#include "userspace/profile/container_columns.h"

namespace waggle {

ContainerNaming::ContainerNaming(const RecordOptions& options) {
  if (options.has_container_names) {
    names_.emplace(container_sockets_of(options));
  }
}

void ContainerNaming::want(const std::vector<ContainerRef>& containers) {
  if (!names_) {
    return;
  }
  for (const ContainerRef& container : containers) {
    names_->want(*container);
  }
}

Profile ContainerNaming::name(Profile profile, std::chrono::milliseconds patience,
                              const std::stop_token& hurry) {
  if (!names_) {
    return profile;
  }
  names_->wait(patience, hurry);
  return name_containers(std::move(profile),
                         [this](std::string_view id) { return names_->find(id); });
}

std::optional<std::string> ContainerNaming::take_problem() {
  auto problem = names_ ? names_->take_problem() : std::nullopt;
  if (problem) {
    *problem += ", continuing with containers' ids in place of their names";
  }
  return problem;
}

}  // namespace waggle
