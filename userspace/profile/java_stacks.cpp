// SPDX-License-Identifier: Apache-2.0
#include "userspace/profile/java_stacks.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace waggle {

namespace {

constexpr std::string_view kKernel = "_[k]";
// Of methods that were interpreted, compiled by C1 or C2, and inlined.
constexpr std::array<std::string_view, 4> kJava = {"_[0]", "_[1]", "_[j]", "_[i]"};

bool is_java(std::string_view frame) {
  return std::ranges::any_of(kJava, [frame](auto suffix) { return frame.ends_with(suffix); });
}

JavaStart start_of_java(std::string_view frame) {
  if (frame.find(".run()V_[") != std::string_view::npos) {
    return JavaStart::thread;
  }
  return frame.find(".main(") != std::string_view::npos ? JavaStart::main : JavaStart::unknown;
}

}  // namespace

LeafNames::Id LeafNames::of(std::string_view name) {
  // What glibc's own debugging symbols call a function that everybody else knows without.
  constexpr std::string_view kGlibc = "__GI_";
  if (name.starts_with(kGlibc)) {
    name.remove_prefix(kGlibc.size());
  }
  const auto [known, is_new] = ids_.try_emplace(name, static_cast<Id>(is_kernel_.size()));
  if (is_new) {
    is_kernel_.push_back(name.ends_with(kKernel));
    is_exception_.push_back(is_kernel_.back() && name.starts_with("asm_"));
  }
  return known->second;
}

JavaLeaf make_leaf(std::vector<LeafNames::Id> names, const LeafNames& leaf_names) {
  const JavaCall call = names.empty()                         ? JavaCall::none
                        : leaf_names.is_kernel(names.front()) ? JavaCall::kernel
                                                              : JavaCall::native;
  const bool is_maybe_stub =
      call == JavaCall::native && (names.size() == 1 || leaf_names.is_exception(names[1]));
  return {.names = std::move(names), .call = call, .is_maybe_stub = is_maybe_stub};
}

std::string_view thread_of(const Profile& profile, const Profile::Stack& stack) {
  const std::string_view first = stack.frames.empty() ? "" : profile.name(stack.frames.front());
  return first.starts_with("thread: ") ? first : "";
}

JavaStart start_of_native(std::string_view name) {
  if (name.starts_with("thread_entry(")) {
    return JavaStart::thread;
  }
  if (name.starts_with("thread_native_entry(")) {
    return JavaStart::internal;
  }
  return name == "JavaMain" ? JavaStart::main : JavaStart::unknown;
}

JavaStack make_java_stack(const Profile& profile, const Profile::Stack& stack, std::uint64_t count,
                          LeafNames& leaf_names) {
  JavaStack made{.stack = &stack, .count = count, .begin = 0, .end = 0, .leaf = {}};
  const std::vector<Profile::NameId>& frames = stack.frames;
  const std::size_t first = thread_of(profile, stack).empty() ? 0 : 1;
  for (std::size_t i = first; i < frames.size(); ++i) {
    if (!is_java(profile.name(frames[i]))) {
      continue;
    }
    if (!made.has_java()) {
      made.begin = static_cast<std::uint32_t>(i);
    }
    made.end = static_cast<std::uint32_t>(i + 1);
  }
  if (!made.has_java()) {
    return made;
  }
  std::vector<LeafNames::Id> names;
  for (std::size_t i = made.end; i < frames.size(); ++i) {
    names.push_back(leaf_names.of(profile.name(frames[i])));
  }
  made.leaf = make_leaf(std::move(names), leaf_names);
  made.start = start_of_java(profile.name(frames[made.begin]));
  return made;
}

void join_stub(JavaStack& stack, const LeafNames& leaf_names) {
  std::vector<LeafNames::Id> names = std::move(stack.leaf.names);
  names.erase(names.begin());
  stack.leaf = make_leaf(std::move(names), leaf_names);
  ++stack.end;
}

void JavaIndex::sort() {
  std::ranges::sort(stacks_, [](const JavaStack* a, const JavaStack* b) {
    if (a->leaf.call != b->leaf.call) {
      return a->leaf.call < b->leaf.call;
    }
    const auto order = a->leaf.names <=> b->leaf.names;
    return order != 0 ? order < 0 : a->stack->frames < b->stack->frames;
  });
  const auto begin_of = [this](JavaCall call) {
    const auto at = std::ranges::lower_bound(
        stacks_, call, {}, [](const JavaStack* stack) { return stack->leaf.call; });
    return static_cast<std::size_t>(at - stacks_.begin());
  };
  kernel_begin_ = begin_of(JavaCall::kernel);
  native_begin_ = begin_of(JavaCall::native);
}

JavaIndex::Range JavaIndex::find(const JavaLeaf& leaf) const {
  const Range all(stacks_);
  if (leaf.call == JavaCall::none) {
    return all.first(kernel_begin_);
  }
  Range found =
      leaf.call == JavaCall::kernel ? running().subspan(kernel_begin_) : all.subspan(native_begin_);
  std::size_t depth = 0;
  for (; depth < leaf.names.size(); ++depth) {
    // Those that end here come first.
    const auto name_at = [depth](const JavaStack* stack) {
      const auto& names = stack->leaf.names;
      return depth < names.size() ? std::uint64_t{names[depth]} + 1 : 0;
    };
    const auto deeper =
        std::ranges::equal_range(found, std::uint64_t{leaf.names[depth]} + 1, {}, name_at);
    if (deeper.empty()) {
      break;
    }
    found = Range(deeper);
  }
  if (depth == 0) {
    return {};
  }
  const auto exact = std::ranges::partition_point(
      found, [depth](const JavaStack* stack) { return stack->leaf.names.size() == depth; });
  const bool has_exact = depth == leaf.names.size() && exact != found.begin();
  return has_exact ? Range(found.begin(), exact) : found;
}

}  // namespace waggle
