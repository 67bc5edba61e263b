// SPDX-License-Identifier: Apache-2.0
#include "userspace/output/flame_tree.h"

#include <algorithm>
#include <cstddef>
#include <ranges>
#include <span>
#include <tuple>
#include <utility>

#include "base/text.h"

namespace waggle {

namespace {

// A tree in the order of the sorted stacks: depth 0 is the container, depth 1 the process.
struct Draft {
  std::uint32_t name;
  std::uint32_t first_child = 0;  // 0 = none: no draft has the first one as child
  std::uint32_t next_sibling = 0;
  std::uint64_t self = 0;
  std::uint64_t total = 0;
};

struct Path {
  std::vector<std::uint32_t> names;  // container, process, frames
  std::uint64_t count;
};

// Sorted distinct texts of the names in use, and each NameId's place in them.
std::pair<std::vector<std::string>, std::vector<std::uint32_t>> sort_names(const Profile& profile) {
  std::vector<bool> is_used(profile.name_count());
  for (const auto& [stack, count] : profile.counts()) {
    is_used[stack.container] = true;
    is_used[stack.comm] = true;
    for (const Profile::NameId frame : stack.frames) {
      is_used[frame] = true;
    }
  }
  std::vector<std::pair<std::string, Profile::NameId>> texts;
  for (std::size_t id = 0; id < is_used.size(); ++id) {
    if (is_used[id]) {
      const auto name = static_cast<Profile::NameId>(id);
      texts.emplace_back(printable(profile.name(name)), name);
    }
  }
  std::ranges::sort(texts);
  std::vector<std::string> names;
  std::vector<std::uint32_t> places(profile.name_count());
  for (auto& [text, id] : texts) {
    if (names.empty() || names.back() != text) {
      names.push_back(std::move(text));
    }
    places[id] = static_cast<std::uint32_t>(names.size() - 1);
  }
  return {std::move(names), std::move(places)};
}

std::vector<Path> sort_paths(const Profile& profile, const std::vector<std::uint32_t>& places) {
  std::vector<Path> paths;
  paths.reserve(profile.counts().size());
  for (const auto& [stack, count] : profile.counts()) {
    Path path{{places[stack.container], places[stack.comm]}, count};
    path.names.reserve(2 + stack.frames.size());
    for (const Profile::NameId frame : stack.frames) {
      path.names.push_back(places[frame]);
    }
    paths.push_back(std::move(path));
  }
  std::ranges::sort(paths, {}, &Path::names);
  return paths;
}

// Neighbours in the sorted list share their longest common prefix.  Draft 0 is the root.
std::vector<Draft> merge_paths(const std::vector<Path>& paths) {
  std::vector<Draft> drafts{{}};
  std::vector<std::uint32_t> open{0};  // the drafts of the path before, root included
  std::span<const std::uint32_t> before;
  for (const Path& path : paths) {
    const auto shared =
        static_cast<std::size_t>(std::ranges::mismatch(before, path.names).in1 - before.begin());
    std::uint32_t sibling = shared + 1 < open.size() ? open[shared + 1] : 0;
    open.resize(shared + 1);
    for (std::size_t depth = shared; depth < path.names.size(); ++depth) {
      const auto id = static_cast<std::uint32_t>(drafts.size());
      drafts.push_back({path.names[depth]});
      if (sibling != 0) {
        drafts[std::exchange(sibling, 0)].next_sibling = id;
      } else {
        drafts[open.back()].first_child = id;
      }
      open.push_back(id);
    }
    drafts[open.back()].self += path.count;
    for (const std::uint32_t id : open) {
      drafts[id].total += path.count;
    }
    before = path.names;
  }
  return drafts;
}

struct Turn {
  std::uint32_t draft;
  std::uint32_t depth;
  std::uint32_t container;
};

void append_children(const std::vector<Draft>& drafts, Turn parent, std::vector<Turn>& turns) {
  for (std::uint32_t id = drafts[parent.draft].first_child; id != 0; id = drafts[id].next_sibling) {
    turns.push_back({id, parent.depth + 1, parent.container});
  }
}

// The last one is drawn first: turns are a stack.
void sort_turns(const std::vector<Draft>& drafts, std::span<Turn> turns) {
  std::ranges::sort(turns, [&](const Turn& a, const Turn& b) {
    const Draft& left = drafts[a.draft];
    const Draft& right = drafts[b.draft];
    return std::tuple(left.total, right.name, b.container) <
           std::tuple(right.total, left.name, a.container);
  });
}

}  // namespace

FlameTree build_flame_tree(const Profile& profile) {
  FlameTree tree;
  std::vector<std::uint32_t> places;
  std::tie(tree.names, places) = sort_names(profile);
  const std::vector<Draft> drafts = merge_paths(sort_paths(profile, places));
  tree.nodes.reserve(drafts.size());
  std::vector<Turn> turns;
  for (std::uint32_t id = drafts[0].first_child; id != 0; id = drafts[id].next_sibling) {
    append_children(drafts, {id, 0, drafts[id].name}, turns);
  }
  sort_turns(drafts, turns);
  while (!turns.empty()) {
    const Turn turn = turns.back();
    turns.pop_back();
    const Draft& draft = drafts[turn.draft];
    tree.nodes.push_back({draft.name, turn.depth, draft.self});
    if (turn.depth == 1) {
      tree.containers.push_back(turn.container);
    }
    const std::size_t rest = turns.size();
    append_children(drafts, turn, turns);
    sort_turns(drafts, std::span(turns).subspan(rest));
  }
  return tree;
}

}  // namespace waggle
