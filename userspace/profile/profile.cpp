// SPDX-License-Identifier: Apache-2.0
#include "userspace/profile/profile.h"

namespace waggle {

namespace {

// The finalizer of splitmix64 (Steele, Lea, Flood 2014) spreads small ids over all bits.
std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash ^= value + 0x9e3779b97f4a7c15;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
  return hash ^ (hash >> 31);
}

}  // namespace

std::size_t Profile::StackHash::operator()(const Stack& stack) const {
  std::uint64_t hash = mix(mix(mix(stack.container, stack.comm), stack.process), stack.application);
  for (const NameId frame : stack.frames) {
    hash = mix(hash, frame);
  }
  return hash;
}

Profile::NameId Profile::intern(std::string_view text) {
  if (const auto known = names_.find(text); known != names_.end()) {
    return known->second;
  }
  const auto id = static_cast<NameId>(texts_.size());
  names_.emplace(texts_.emplace_back(text), id);
  return id;
}

ApplicationFactsRef Profile::ApplicationEntry::told() const {
  return facts != nullptr || process == nullptr ? facts : process->facts();
}

Profile::ApplicationId Profile::intern_application(const ApplicationRef& process) {
  return process == nullptr
             ? kNoApplication
             : intern_application(ApplicationEntry{.process = process, .facts = process->facts()});
}

Profile::ApplicationId Profile::intern_application(const ApplicationEntry& entry) {
  const void* key = entry.facts != nullptr ? static_cast<const void*>(entry.facts.get())
                                           : static_cast<const void*>(entry.process.get());
  if (key == nullptr) {
    return kNoApplication;
  }
  if (const auto known = application_ids_.find(key); known != application_ids_.end()) {
    return known->second;
  }
  if (applications_.size() > kMaxApplications) {
    return kNoApplication;
  }
  const auto id = static_cast<ApplicationId>(applications_.size());
  applications_.push_back(entry);
  application_ids_.emplace(key, id);
  return id;
}

void Profile::add(const Stack& stack, std::uint64_t count) {
  counts_[stack] += count;
  total_ += count;
}

}  // namespace waggle
