// SPDX-License-Identifier: Apache-2.0
// The -XX flags that a JVM's command line sets.  Not those that it has by itself or by its
// environment: it would have to be asked.  Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <span>
#include <string>

#include "userspace/metadata/application_metadata.h"

namespace waggle {

// An array of gProfiler's objects, by name.
nlohmann::ordered_json jvm_flags(std::span<const std::string> arguments,
                                 const ApplicationWishes& wishes);

}  // namespace waggle
