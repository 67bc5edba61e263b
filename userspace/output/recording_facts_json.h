// SPDX-License-Identifier: Apache-2.0
// RecordingFacts as the "waggle" object of the .col header.  Private to output/: nobody else sees
// the JSON library.
#pragma once

#include <nlohmann/json.hpp>

#include <string>

#include "userspace/output/recording_facts.h"

namespace waggle {

// Keys and their order: the header of a .col file, object "waggle".
nlohmann::ordered_json facts_json(const RecordingFacts& facts);

// One line of JSON.  Bytes that are not UTF-8 become U+FFFD; nothing throws.
std::string dump_json(const nlohmann::ordered_json& value);

}  // namespace waggle
