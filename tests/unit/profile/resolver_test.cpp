// SPDX-License-Identifier: Apache-2.0
// Batches of frames of this very program, resolved on the resolver's own thread.
#include "userspace/profile/resolver.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/file.h"
#include "bpf/abi/markers.h"
#include "tests/temp_dir.h"

namespace waggle {
namespace {

constexpr std::size_t kCacheBytes = 16 << 20;

// A file as it is met, and where in it main() is.
struct Program {
  explicit Program(const std::string& path) : located{.file = nullptr, .place = {}} {
    const UniqueFd fd = open_file(path, O_RDONLY).value();
    located.file = std::make_shared<const ExecutableFile>(ExecutableFile{
        .id = 1, .identity = identify(fd.get()).value(), .is_elf = true, .name = "program"});
    located.place = {.pid = ::getpid(), .area = "", .path = path};
    const Module module = Module::load(open_file(path, O_RDONLY).value()).value();
    const auto symbol = module.symbols().find_named("main");
    CHECK(symbol);
    while (module.address_of_offset(main_offset) != symbol->start) {
      ++main_offset;
    }
  }

  [[nodiscard]] LocatedBatch batch(std::uint64_t count) const {
    LocatedBatch batch;
    batch.files.push_back(located);
    batch.frames.push_back({.source = FrameSource::file, .index = 0, .address = main_offset});
    batch.stacks.push_back(
        {.comm = "comm", .thread = "", .count = count, .first_frame = 0, .frame_count = 1});
    return batch;
  }

  LocatedFile located;
  std::uint64_t main_offset = 0;
};

// "frame count" of the only stack.
std::string text_of(const Profile& profile) {
  CHECK(profile.counts().size() == 1);
  const auto& [stack, count] = *profile.counts().begin();
  return std::string(profile.name(stack.frames.at(0))) + " " + std::to_string(count);
}

std::string self() {
  return std::filesystem::read_symlink("/proc/self/exe").string();
}

TEST(Resolver, resolves_all_that_was_pushed) {
  const Program program(self());
  Resolver resolver(kCacheBytes);
  constexpr std::uint64_t kBatches = 100;  // more than it keeps waiting
  for (std::uint64_t i = 1; i <= kBatches; ++i) {
    resolver.push(program.batch(i));
  }
  EXPECT_EQ(text_of(resolver.finish().profile), "main 5050");
}

TEST(Resolver, shows_the_file_behind_a_name_where_that_is_asked_for) {
  const Program program(self());
  Resolver resolver(kCacheBytes);
  resolver.show_files();
  resolver.push(program.batch(1));
  EXPECT_EQ(text_of(resolver.finish().profile), "main (program) 1");
}

// Of a process that is told apart.
Profile::Walk walk_of(const std::vector<LocatedFrame>& frames, const std::string& thread = "") {
  LocatedBatch batch;
  batch.regions.push_back({.name = "[anon]", .base = 0, .perf_map = nullptr});
  batch.frames = frames;
  batch.stacks.push_back({.comm = "java",
                          .thread = thread,
                          .count = 1,
                          .first_frame = 0,
                          .frame_count = static_cast<std::uint32_t>(frames.size()),
                          .process = 7});
  FrameNamer namer(kCacheBytes);
  Profile profile;
  namer.add(batch, profile);
  CHECK(profile.counts().size() == 1);
  return profile.counts().begin()->first.walk;
}

TEST(Resolver, tells_where_generated_code_is_and_whether_the_root_is_there) {
  using Walk = Profile::Walk;
  const LocatedFrame native{.source = FrameSource::vdso, .index = 0, .address = 16};
  const LocatedFrame kernel{.source = FrameSource::kernel, .index = 0, .address = 16};
  const LocatedFrame generated{.source = FrameSource::region, .index = 0, .address = 16};
  const auto marker = [](std::uint32_t index) {
    return LocatedFrame{.source = FrameSource::marker, .index = index, .address = 0};
  };
  const Walk none{.root = Walk::Root::whole};
  EXPECT_EQ(walk_of({native, kernel}), none);
  EXPECT_EQ(walk_of({native, generated, native, generated, kernel}),
            (Walk{.root = Walk::Root::whole, .generated_begin = 1, .generated_end = 4}));
  EXPECT_EQ(walk_of({generated}, "main"),
            (Walk{.root = Walk::Root::whole, .generated_begin = 1, .generated_end = 2}));
  EXPECT_EQ(walk_of({marker(MARKER_truncated_no_unwind_info), generated, native}),
            (Walk{.root = Walk::Root::cut, .generated_begin = 1, .generated_end = 2}));
  EXPECT_EQ(walk_of({marker(MARKER_lost_stack)}), (Walk{.root = Walk::Root::cut}));
  // What is missing is not at the root.
  EXPECT_EQ(walk_of({native, generated, marker(MARKER_unknown_mapping)}), Walk());
  // Nothing of the user's is missing.
  EXPECT_EQ(walk_of({native, marker(MARKER_truncated_kernel_depth), kernel}), none);
}

TEST(Resolver, has_the_names_of_a_file_that_it_was_given_open) {
  const TempDir dir;
  const std::string path = dir.path() + "/program";
  std::filesystem::copy_file(self(), path);
  const Program program(path);
  std::vector<OpenedFile> opened;
  opened.push_back({.file = program.located.file, .fd = open_file(path, O_RDONLY).value()});
  std::filesystem::remove(path);
  Resolver resolver(kCacheBytes);
  resolver.read(std::move(opened));
  resolver.push(program.batch(1));
  EXPECT_EQ(text_of(resolver.finish().profile), "main 1");
}

TEST(Resolver, shows_where_in_a_file_that_is_gone) {
  const TempDir dir;
  const std::string path = dir.path() + "/program";
  std::filesystem::copy_file(self(), path);
  const Program program(path);
  std::filesystem::remove(path);
  Resolver resolver(kCacheBytes);
  resolver.push(program.batch(1));
  EXPECT_TRUE(text_of(resolver.finish().profile).starts_with("(program+0x"));
}

TEST(Resolver, has_the_samples_and_says_which_names_it_has_not_when_it_must_hurry) {
  const Program program(self());
  Resolver resolver(kCacheBytes);
  resolver.hurry();
  resolver.push(program.batch(2));
  const Resolver::Resolved resolved = resolver.finish();
  EXPECT_THAT(text_of(resolved.profile), testing::MatchesRegex("\\(program\\+0x[0-9a-f]+\\) 2"));
  EXPECT_EQ(resolved.given_up, 1U);
}

TEST(Resolver, keeps_names_that_it_has_when_it_must_hurry) {
  const Program program(self());
  Resolver resolver(kCacheBytes);
  resolver.push(program.batch(1));
  EXPECT_EQ(text_of(resolver.cut().get().profile), "main 1");
  resolver.hurry();
  resolver.push(program.batch(2));
  const Resolver::Resolved resolved = resolver.finish();
  EXPECT_EQ(text_of(resolved.profile), "main 2");
  EXPECT_EQ(resolved.given_up, 0U);
}

}  // namespace
}  // namespace waggle
