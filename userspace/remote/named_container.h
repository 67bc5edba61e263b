// SPDX-License-Identifier: Apache-2.0
// A container as a runtime tells of it.  Not for asking: container_runtime.h.
#pragma once

#include <string>
#include <string_view>

namespace waggle {

struct NamedContainer {
  std::string id;
  std::string name;  // "web"
};

// Whether a container can be called so.
bool is_container_name(std::string_view text);

}  // namespace waggle
