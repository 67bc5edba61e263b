// SPDX-License-Identifier: Apache-2.0
#include "userspace/profile/java_match.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <map>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "userspace/profile/java_stacks.h"
#include "userspace/profile/share_out.h"

namespace waggle {

namespace {

using NameId = Profile::NameId;
using Frames = std::span<const NameId>;
using Root = Profile::Walk::Root;

// A stack of the system's with generated code.
struct Sample {
  const Profile::Stack* stack;
  std::uint64_t count;
  std::string_view thread;
  JavaLeaf leaf;
  JavaStart start = JavaStart::unknown;

  [[nodiscard]] std::uint32_t root_begin() const { return thread.empty() ? 0 : 1; }
  [[nodiscard]] Frames root() const {
    return Frames(stack->frames).subspan(root_begin(), stack->walk.generated_begin - root_begin());
  }
  [[nodiscard]] Frames above() const {
    return Frames(stack->frames).subspan(stack->walk.generated_end);
  }
  // The walk ended in the generated code: nothing below it is known but the marker.
  [[nodiscard]] bool is_rootless() const {
    return stack->walk.root == Root::cut && root().size() == 1;
  }
};

// Stacks of one thread, or of all.
struct Indexes {
  JavaIndex all;
  JavaIndex not_main;    // for threads that Java started
  JavaIndex not_thread;  // for the one that the launcher started
  JavaIndex neither;

  [[nodiscard]] const JavaIndex& of(JavaStart start) const {
    switch (start) {
      case JavaStart::thread:
        return not_main;
      case JavaStart::main:
        return not_thread;
      case JavaStart::internal:
        return neither;
      case JavaStart::unknown:
        break;
    }
    return all;
  }
  void add(const JavaStack& stack) {
    all.add(stack);
    if (stack.start != JavaStart::main) {
      not_main.add(stack);
    }
    if (stack.start != JavaStart::thread) {
      not_thread.add(stack);
    }
    if (stack.start == JavaStart::unknown) {
      neither.add(stack);
    }
  }
  void sort() {
    all.sort();
    not_main.sort();
    not_thread.sort();
    neither.sort();
  }
};

// Of async-profiler's stacks, for what is not matched.
enum Kind : std::uint8_t { kRunning, kCalling, kWithoutJava, kKinds };

Kind kind_of(const JavaStack& stack) {
  if (!stack.has_java()) {
    return kWithoutJava;
  }
  return stack.leaf.call == JavaCall::native ? kCalling : kRunning;
}

class Matcher {
 public:
  Matcher(const JavaMatchInput& input, Profile& to) : input_(input), to_(to) {}
  void run();

 private:
  using Group = std::vector<const Sample*>;

  void take_samples();
  void take_java();
  void learn_roots();
  [[nodiscard]] JavaIndex::Range find(const Sample& sample) const;
  void place(JavaIndex::Range range, Group& group);
  void emit(const Sample& sample, const Profile::Stack& stack, std::uint64_t count);
  [[nodiscard]] Profile::ApplicationId application_of(const Profile::Stack& stack) const {
    return to_.intern_application(input_.system.application(stack.application));
  }
  void append_start(const JavaStack& java, std::vector<NameId>& frames);
  void share_rest(std::uint64_t count, std::span<const Kind> kinds);
  void share_stacks(std::uint64_t count, std::span<const Kind> kinds);

  void append_system(Frames frames, std::vector<NameId>& to) {
    for (const NameId frame : frames) {
      to.push_back(to_.intern(input_.system.name(frame)));
    }
  }
  void append_java(Frames frames, std::vector<NameId>& to) {
    for (const NameId frame : frames) {
      to.push_back(to_.intern(input_.java.name(frame)));
    }
  }

  const JavaMatchInput& input_;
  Profile& to_;
  LeafNames names_;
  std::vector<Sample> samples_;
  std::deque<JavaStack> java_;
  std::unordered_map<const Profile::Stack*, const JavaStack*> by_stack_;
  Indexes process_;
  std::unordered_map<std::string_view, Indexes> threads_;
  std::array<Frames, kJavaStarts> roots_;            // by JavaStart
  std::array<std::uint64_t, kKinds> java_counts_{};  // of async-profiler's
  std::array<std::uint64_t, kKinds> placed_{};       // samples
  std::uint64_t total_ = 0;
  std::uint64_t cut_ = 0;  // samples of which nothing can be said
};

void Matcher::take_samples() {
  for (const auto* counted : input_.samples) {
    const auto& [stack, count] = *counted;
    const Profile::Walk& walk = stack.walk;
    total_ += count;
    if (walk.root != Root::untold && walk.generated_begin != walk.generated_end) {
      Sample sample{
          .stack = &stack, .count = count, .thread = thread_of(input_.system, stack), .leaf = {}};
      std::vector<LeafNames::Id> names;
      for (const NameId frame : sample.above()) {
        names.push_back(names_.of(input_.system.name(frame)));
      }
      sample.leaf = make_leaf(std::move(names), names_);
      for (const NameId frame : sample.root()) {
        const JavaStart start = start_of_native(input_.system.name(frame));
        sample.start = start != JavaStart::unknown ? start : sample.start;
      }
      samples_.push_back(std::move(sample));
    } else if (walk.root == Root::whole) {
      Profile::Stack copy{.container = to_.intern(input_.system.name(stack.container)),
                          .comm = to_.intern(input_.system.name(stack.comm)),
                          .frames = {},
                          .application = application_of(stack)};
      append_system(stack.frames, copy.frames);
      to_.add(copy, count);
      placed_[kWithoutJava] += count;
    } else {
      cut_ += count;
    }
  }
  // As one finds them, in any order.
  std::ranges::sort(samples_, [](const Sample& a, const Sample& b) {
    return a.stack->frames != b.stack->frames ? a.stack->frames < b.stack->frames
                                              : a.stack->container < b.stack->container;
  });
}

void Matcher::take_java() {
  std::unordered_set<LeafNames::Id> called;
  for (const Sample& sample : samples_) {
    if (sample.leaf.call == JavaCall::native) {
      called.insert(sample.leaf.names.front());
    }
  }
  for (const auto& [stack, count] : input_.java.counts()) {
    JavaStack& java = java_.emplace_back(make_java_stack(input_.java, stack, count, names_));
    if (java.leaf.is_maybe_stub && !called.contains(java.leaf.names.front())) {
      join_stub(java, names_);
    }
    by_stack_.emplace(&stack, &java);
    java_counts_[kind_of(java)] += count;
    if (java.has_java()) {
      process_.add(java);
      if (const std::string_view thread = thread_of(input_.java, stack); !thread.empty()) {
        threads_[thread].add(java);
      }
    }
  }
  process_.sort();
  for (auto& [thread, indexes] : threads_) {
    indexes.sort();
  }
}

// All threads that Java starts begin with the same functions: where the walk ended too soon they
// are those of the ones that were walked to the end.
void Matcher::learn_roots() {
  const auto is_less = [](Frames a, Frames b) {
    return std::ranges::lexicographical_compare(a, b);
  };
  std::array<std::map<Frames, std::uint64_t, decltype(is_less)>, kJavaStarts> seen{};
  for (const Sample& sample : samples_) {
    if (sample.stack->walk.root == Root::whole && sample.start != JavaStart::unknown) {
      seen[static_cast<std::size_t>(sample.start)][sample.root()] += sample.count;
    }
  }
  for (std::size_t start = 0; start < seen.size(); ++start) {
    std::uint64_t most = 0;
    for (const auto& [root, count] : seen[start]) {
      if (count > most) {
        most = count;
        roots_[start] = root;
      }
    }
  }
}

JavaIndex::Range Matcher::find(const Sample& sample) const {
  std::array<const JavaIndex*, 2> indexes = {nullptr, &process_.of(sample.start)};
  if (const auto thread = threads_.find(sample.thread); thread != threads_.end()) {
    indexes[0] = &thread->second.of(sample.start);
  }
  for (const JavaIndex* index : indexes) {
    JavaIndex::Range found;
    if (index != nullptr) {
      found = index->find(sample.leaf);
      // A page fault or an interrupt may meet any code that runs; a function is called by few.
      if (sample.leaf.call != JavaCall::native) {
        found = found.empty() ? index->running() : found;
        found = found.empty() ? index->all() : found;
      }
    }
    if (!found.empty()) {
      return found;
    }
  }
  return {};
}

// What async-profiler has of the thread's start, which is nothing unless it is told to look, or
// what is known of it.
void Matcher::append_start(const JavaStack& java, std::vector<NameId>& frames) {
  const std::uint32_t first = thread_of(input_.java, *java.stack).empty() ? 0 : 1;
  if (java.begin > first) {
    append_java(Frames(java.stack->frames).subspan(first, java.begin - first), frames);
  } else if (java.has_java() && java.start != JavaStart::unknown) {
    append_system(roots_[static_cast<std::size_t>(java.start)], frames);
  }
}

void Matcher::emit(const Sample& sample, const Profile::Stack& stack, std::uint64_t count) {
  const JavaStack& java = *by_stack_.at(&stack);
  Profile::Stack made{.container = to_.intern(input_.system.name(sample.stack->container)),
                      .comm = to_.intern(input_.system.name(sample.stack->comm)),
                      .frames = {},
                      .application = application_of(*sample.stack)};
  append_system(Frames(sample.stack->frames).first(sample.root_begin()), made.frames);
  if (sample.is_rootless()) {
    append_start(java, made.frames);
  } else {
    append_system(sample.root(), made.frames);
  }
  append_java(Frames(stack.frames).subspan(java.begin, java.end - java.begin), made.frames);
  append_system(sample.above(), made.frames);
  to_.add(made, count);
  placed_[kind_of(java)] += count;
}

// Both sums stay: each sample once, each stack as often as its share is.
void Matcher::place(JavaIndex::Range range, Group& group) {
  std::uint64_t total = 0;
  for (const Sample* sample : group) {
    total += sample->count;
  }
  std::vector<Share> shares;
  for (const JavaStack* java : range) {
    shares.push_back({.stack = java->stack, .count = java->count});
  }
  share_out(shares, total);
  std::erase_if(shares, [](const Share& share) { return share.count == 0; });
  std::ranges::sort(shares, {}, [](const Share& share) { return share.stack->frames; });
  auto share = shares.begin();
  for (const Sample* sample : group) {
    std::uint64_t left = sample->count;
    while (left != 0) {
      const std::uint64_t part = std::min(left, share->count);
      emit(*sample, *share->stack, part);
      left -= part;
      share->count -= part;
      share += share->count == 0 ? 1 : 0;
    }
  }
}

// Stacks of async-profiler's, of these kinds; of all where there are none.
void Matcher::share_stacks(std::uint64_t count, std::span<const Kind> kinds) {
  const bool has_some =
      std::ranges::any_of(kinds, [this](Kind kind) { return java_counts_[kind] != 0; });
  std::vector<Share> shares;
  for (const JavaStack& java : java_) {
    if (!has_some || std::ranges::find(kinds, kind_of(java)) != kinds.end()) {
      shares.push_back({.stack = java.stack, .count = java.count});
    }
  }
  share_out(shares, count);
  for (const Share& share : shares) {
    if (share.count != 0) {
      Profile::Stack made{.container = to_.intern(input_.container),
                          .comm = to_.intern(input_.comm),
                          .frames = {},
                          .application = to_.intern_application(input_.application)};
      const JavaStack& java = *by_stack_.at(share.stack);
      const Frames frames(share.stack->frames);
      const std::size_t first = thread_of(input_.java, *share.stack).empty() ? 0 : 1;
      append_java(frames.first(first), made.frames);
      append_start(java, made.frames);
      append_java(frames.subspan(java.has_java() ? java.begin : first), made.frames);
      to_.add(made, share.count);
      placed_[kind_of(java)] += share.count;
    }
  }
}

// First of the kinds of which there are fewer than async-profiler's counts say.
void Matcher::share_rest(std::uint64_t count, std::span<const Kind> kinds) {
  using Wide = unsigned __int128;
  std::uint64_t java_total = 0;
  for (const std::uint64_t of_kind : java_counts_) {
    java_total += of_kind;
  }
  std::array<std::uint64_t, kKinds> wanted{};
  std::uint64_t all_wanted = 0;
  for (const Kind kind : kinds) {
    const auto fair = static_cast<std::uint64_t>(Wide{total_} * java_counts_[kind] / java_total);
    wanted[kind] = fair - std::min(fair, placed_[kind]);
    all_wanted += wanted[kind];
  }
  const Wide filled = std::min(count, all_wanted);
  std::uint64_t left = count;
  for (const Kind kind : kinds) {
    const auto part =
        static_cast<std::uint64_t>(filled * wanted[kind] / std::max<Wide>(all_wanted, 1));
    share_stacks(part, std::array{kind});
    left -= part;
  }
  share_stacks(left, kinds);
}

void Matcher::run() {
  take_samples();
  take_java();
  learn_roots();
  // By a range's place: all ranges are in arrays that stay.
  std::map<std::pair<const JavaStack* const*, std::size_t>, Group> groups;
  std::uint64_t unmatched = 0;
  for (const Sample& sample : samples_) {
    const JavaIndex::Range range = find(sample);
    if (range.empty()) {
      unmatched += sample.count;
    } else {
      groups[{range.data(), range.size()}].push_back(&sample);
    }
  }
  for (auto& [place_of_range, group] : groups) {
    place(JavaIndex::Range(place_of_range.first, place_of_range.second), group);
  }
  share_rest(unmatched, std::array{kRunning, kCalling});
  share_rest(cut_, std::array{kRunning, kCalling, kWithoutJava});
}

}  // namespace

void match_java(const JavaMatchInput& input, Profile& to) {
  Matcher(input, to).run();
}

}  // namespace waggle
