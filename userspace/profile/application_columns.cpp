// SPDX-License-Identifier: Apache-2.0
#include "userspace/profile/application_columns.h"

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace waggle {

namespace {

using NameId = Profile::NameId;
using ApplicationId = Profile::ApplicationId;

// Of each application of the profile before.
struct Settled {
  ApplicationId metadata = Profile::kNoApplication;
  std::optional<NameId> frame;
};

std::vector<Settled> settle(const Profile& from, Profile& to) {
  std::vector<ApplicationFactsRef> told(from.application_count());
  std::map<std::string_view, ApplicationId> numbers;
  for (ApplicationId id = 1; id < told.size(); ++id) {
    told[id] = from.application(id).told();
    if (told[id] != nullptr && !told[id]->metadata.empty()) {
      numbers.emplace(told[id]->metadata, Profile::kNoApplication);
    }
  }
  for (auto& [metadata, number] : numbers) {
    number = to.intern_application({.process = nullptr,
                                    .facts = std::make_shared<const ApplicationFacts>(
                                        ApplicationFacts{std::string(metadata), ""})});
  }
  std::vector<Settled> settled(told.size());
  for (ApplicationId id = 1; id < told.size(); ++id) {
    if (told[id] == nullptr) {
      continue;
    }
    if (const auto number = numbers.find(told[id]->metadata); number != numbers.end()) {
      settled[id].metadata = number->second;
    }
    if (!told[id]->id.empty()) {
      settled[id].frame = to.intern("appid: " + told[id]->id);
    }
  }
  return settled;
}

}  // namespace

Profile settle_applications(Profile profile) {
  if (profile.application_count() <= 1) {
    return profile;
  }
  Profile to;
  for (std::size_t id = 0; id < profile.name_count(); ++id) {
    (void)to.intern(profile.name(static_cast<NameId>(id)));  // all keep their numbers
  }
  const std::vector<Settled> settled = settle(profile, to);
  for (const auto& [stack, count] : profile.counts()) {
    Profile::Stack copy = stack;
    copy.application = settled[stack.application].metadata;
    if (const auto& frame = settled[stack.application].frame) {
      copy.frames.insert(copy.frames.begin(), *frame);
    }
    to.add(copy, count);
  }
  return to;
}

}  // namespace waggle
