// SPDX-License-Identifier: Apache-2.0
#include "userspace/remote/named_container.h"

#include <algorithm>
#include <cstddef>

namespace waggle {

namespace {

// Those of Kubernetes have a container's, a pod's and a namespace's in them: 63, 253 and 63.
constexpr std::size_t kMaxNameBytes = 512;

bool is_name_letter(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         c == '.' || c == '-';
}

}  // namespace

bool is_container_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameBytes && text.front() != '.' &&
         text.front() != '-' && std::ranges::all_of(text, is_name_letter);
}

}  // namespace waggle
