// SPDX-License-Identifier: Apache-2.0
#include "userspace/profile/container_columns.h"

#include <unordered_map>

namespace waggle {

using NameId = Profile::NameId;

Profile name_containers(Profile profile,
                        const std::function<std::string(std::string_view)>& name_of) {
  std::unordered_map<NameId, std::string> names;
  for (const auto& [stack, count] : profile.counts()) {
    if (!names.contains(stack.container)) {
      const std::string_view id = profile.name(stack.container);
      names.emplace(stack.container, id.empty() ? "" : name_of(id));
    }
  }
  std::erase_if(names, [](const auto& entry) { return entry.second.empty(); });
  if (names.empty()) {
    return profile;
  }
  Profile named;
  for (std::size_t id = 0; id < profile.name_count(); ++id) {
    (void)named.intern(profile.name(static_cast<NameId>(id)));  // all keep their numbers
  }
  for (const auto& [stack, count] : profile.counts()) {
    Profile::Stack copy = stack;
    copy.application = named.intern_application(profile.application(stack.application));
    if (const auto known = names.find(stack.container); known != names.end()) {
      copy.container = named.intern(known->second);
    }
    named.add(copy, count);
  }
  return named;
}

}  // namespace waggle
