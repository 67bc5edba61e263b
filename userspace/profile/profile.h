// SPDX-License-Identifier: Apache-2.0
// A resolved profile: stacks of names with counts, equal stacks merged.  What outputs print.
// Not for addresses: the resolver turns those into names first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "userspace/process/application.h"
#include "userspace/process/process.h"

namespace waggle {

class Profile {
 public:
  using NameId = std::uint32_t;
  // Programs of which equal things are told have one id, but for those that are not told of yet:
  // application_columns.h.
  using ApplicationId = std::uint32_t;
  static constexpr ApplicationId kNoApplication = 0;
  // Programs beyond are not told of.
  static constexpr std::size_t kMaxApplications = 0x4000;

  // How the user part of a stack was walked, and which of its frames are code that the process made
  // itself, as an interpreter or a JIT compiler does: from the first such frame to past the last.
  // Where the root is cut, the first frame is the marker that says so.
  struct Walk {
    enum class Root : std::uint8_t { untold, whole, cut };
    Root root = Root::untold;  // untold too where there is another gap
    std::uint32_t generated_begin = 0;
    std::uint32_t generated_end = 0;  // where it begins: there is none
    bool operator==(const Walk&) const = default;
  };

  // frames: root first, without the process' name; may be empty.
  struct Stack {
    NameId container;  // "" when unknown
    NameId comm;
    std::vector<NameId> frames;
    // Its pid, where stacks of another tool will stand in the place of its own; else 0.
    std::uint32_t process = 0;
    ApplicationId application = kNoApplication;
    Walk walk = {};  // then, by engines that tell
    bool operator==(const Stack&) const = default;
  };
  struct StackHash {
    std::size_t operator()(const Stack& stack) const;
  };
  using Counts = std::unordered_map<Stack, std::uint64_t, StackHash>;

  Profile() = default;
  Profile(Profile&&) noexcept = default;
  Profile& operator=(Profile&&) noexcept = default;
  Profile(const Profile&) = delete;  // names_ points into texts_
  Profile& operator=(const Profile&) = delete;
  ~Profile() = default;

  // Texts are kept as they come; outputs escape what their format cannot hold.
  NameId intern(std::string_view text);
  [[nodiscard]] std::string_view name(NameId id) const { return texts_[id]; }
  [[nodiscard]] std::size_t name_count() const { return texts_.size(); }

  struct ApplicationEntry {
    ApplicationRef process;     // one of both, at least
    ApplicationFactsRef facts;  // nullptr: not told when it was interned
    // What is told by now; nullptr: nothing.
    [[nodiscard]] ApplicationFactsRef told() const;
  };
  ApplicationId intern_application(const ApplicationRef& process);
  ApplicationId intern_application(const ApplicationEntry& entry);
  // Empty for kNoApplication.
  [[nodiscard]] const ApplicationEntry& application(ApplicationId id) const {
    return applications_[id];
  }
  [[nodiscard]] std::size_t application_count() const { return applications_.size(); }

  void add(const Stack& stack, std::uint64_t count);

  [[nodiscard]] const Counts& counts() const { return counts_; }
  [[nodiscard]] std::uint64_t total() const { return total_; }

 private:
  std::deque<std::string> texts_;  // stable addresses
  std::unordered_map<std::string_view, NameId> names_;
  std::vector<ApplicationEntry> applications_ = std::vector<ApplicationEntry>(1);  // by id
  std::unordered_map<const void*, ApplicationId> application_ids_;  // by what an entry keeps
  Counts counts_;
  std::uint64_t total_ = 0;
};

}  // namespace waggle
