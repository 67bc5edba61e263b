// SPDX-License-Identifier: Apache-2.0
// Containers' ids in a profile, replaced by the names that people know.  Pure.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "userspace/profile/profile.h"

namespace waggle {

// name_of: by id; "": it stays.
Profile name_containers(Profile profile,
                        const std::function<std::string(std::string_view)>& name_of);

}  // namespace waggle
