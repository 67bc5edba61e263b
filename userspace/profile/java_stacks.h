// SPDX-License-Identifier: Apache-2.0
// What async-profiler told of one JVM, in an order in which the stacks are found whose innermost
// Java method may have called given native and kernel functions.  Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "userspace/profile/profile.h"

namespace waggle {

// Names of native and kernel functions, alike in two profiles that name one of them differently.
class LeafNames {
 public:
  using Id = std::uint32_t;
  Id of(std::string_view name);
  [[nodiscard]] bool is_kernel(Id id) const { return is_kernel_[id]; }
  // What the kernel does on a fault or an interrupt.
  [[nodiscard]] bool is_exception(Id id) const { return is_exception_[id]; }

 private:
  std::unordered_map<std::string_view, Id> ids_;
  std::vector<bool> is_kernel_;
  std::vector<bool> is_exception_;
};

// What a Java method was in the middle of.
enum class JavaCall : std::uint8_t { none, kernel, native };

// What called the first Java method of a thread, by the names of HotSpot and of its launcher.
// internal: a thread of the JVM's own, whose method is neither run() nor main().
enum class JavaStart : std::uint8_t { unknown, thread, main, internal };
constexpr std::size_t kJavaStarts = 4;

// The functions that a Java method had called, the first one first.
struct JavaLeaf {
  std::vector<LeafNames::Id> names;
  JavaCall call = JavaCall::none;
  // One function that makes no system call: perhaps code of the JVM's own, as its copies of arrays
  // are, which is of no file in the eyes of the system.
  bool is_maybe_stub = false;
};
JavaLeaf make_leaf(std::vector<LeafNames::Id> names, const LeafNames& leaf_names);

// A name of a thread's frame, "" where the first frame is another.
std::string_view thread_of(const Profile& profile, const Profile::Stack& stack);
// The innermost function that tells counts.
JavaStart start_of_native(std::string_view name);

struct JavaStack {
  const Profile::Stack* stack;
  std::uint64_t count;
  std::uint32_t begin;  // of Java's frames
  std::uint32_t end;    // where they begin: there is none
  JavaLeaf leaf;
  JavaStart start = JavaStart::unknown;

  [[nodiscard]] bool has_java() const { return begin != end; }
};
// Names of the profile stay where they are as long as `leaf_names` is used.
JavaStack make_java_stack(const Profile& profile, const Profile::Stack& stack, std::uint64_t count,
                          LeafNames& leaf_names);
// Of one that may be: the stub counts as one more frame of Java.
void join_stub(JavaStack& stack, const LeafNames& leaf_names);

// Stacks with Java in them.  Not the owner.
class JavaIndex {
 public:
  using Range = std::span<const JavaStack* const>;

  void add(const JavaStack& stack) { stacks_.push_back(&stack); }
  // After the last one.
  void sort();

  // Those that have the most of the first functions in common; of these the ones that have all and
  // no more, if there are.  Empty: not even the first.
  [[nodiscard]] Range find(const JavaLeaf& leaf) const;
  [[nodiscard]] Range all() const { return stacks_; }
  // Those that had called no native function.
  [[nodiscard]] Range running() const { return Range(stacks_).first(native_begin_); }

 private:
  std::vector<const JavaStack*> stacks_;  // by call, then by leaf
  std::size_t kernel_begin_ = 0;
  std::size_t native_begin_ = 0;
};

}  // namespace waggle
