// SPDX-License-Identifier: Apache-2.0
// How fast addresses get their names: resolver_bench FILE [ADDRESSES], FILE an executable with many
// functions.
//   load    its symbols, as for the first address in it
//   cold    distinct addresses, none seen before: a lookup, and the demangling of new functions
//   warm    the same addresses again: remembered by address
//   module  the same addresses asked of the module itself: a lookup, the name remembered by
//   function
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/text.h"
#include "symbolizer/module.h"
#include "symbolizer/module_cache.h"
#include "userspace/profile/profile.h"
#include "userspace/profile/resolver.h"

namespace waggle {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kCacheBytes = std::size_t{512} << 20;
constexpr std::uint32_t kFramesPerStack = 32;

UniqueFd open_file(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

std::uint64_t size_of(int fd) {
  struct stat status{};
  CHECK(::fstat(fd, &status) == 0);
  return static_cast<std::uint64_t>(status.st_size);
}

// Offsets in the file that lie in a function, in no order; equal in every run.
std::vector<std::uint64_t> offsets_in_functions(const Module& module, std::uint64_t file_bytes,
                                                std::size_t count) {
  constexpr std::size_t kTriesEach = 1000;
  std::mt19937_64 random(1);  // the same addresses in every run
  std::uniform_int_distribution<std::uint64_t> offset_in_file(0, file_bytes - 1);
  std::vector<std::uint64_t> offsets;
  for (std::size_t i = 0; i < count * kTriesEach && offsets.size() < count; ++i) {
    const std::uint64_t offset = offset_in_file(random);
    const auto address = module.address_of_offset(offset);
    if (address && module.symbols().find(*address)) {
      offsets.push_back(offset);
    }
  }
  return offsets;
}

// Stacks of one process in one file.
LocatedBatch batch_of(const LocatedFile& file, const std::vector<std::uint64_t>& offsets) {
  LocatedBatch batch;
  batch.files.push_back(file);
  for (const std::uint64_t offset : offsets) {
    batch.frames.push_back({.source = FrameSource::file, .index = 0, .address = offset});
  }
  const auto count = static_cast<std::uint32_t>(offsets.size() / kFramesPerStack);
  for (std::uint32_t i = 0; i < count; ++i) {
    batch.stacks.push_back({.comm = "bench",
                            .thread = "",
                            .count = 1,
                            .first_frame = i * kFramesPerStack,
                            .frame_count = kFramesPerStack});
  }
  return batch;
}

template <class Work>
double seconds_of(Work work) {
  const Clock::time_point begin = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

void print_rate(std::string_view name, std::size_t count, double seconds) {
  fmt::print("{:<8}{:>10} addresses {:>9.2f} ms {:>8.0f} ns each {:>7.2f} million/s\n", name, count,
             seconds * 1e3, seconds * 1e9 / static_cast<double>(count),
             static_cast<double>(count) / seconds / 1e6);
}

int run(const std::string& path, std::size_t count) {
  const UniqueFd fd = open_file(path);
  if (!fd.is_open()) {
    fmt::print(stderr, "{}: cannot be opened\n", path);
    return 1;
  }
  const std::uint64_t file_bytes = size_of(fd.get());
  Result<Module> module = fail(Errc::not_found, "not loaded");
  const double load_s = seconds_of([&] { module = Module::load(open_file(path)); });
  if (!module || module->symbols().symbol_count() == 0) {
    fmt::print(stderr, "{}: {}\n", path, module ? "no symbols" : module.error().what);
    return 1;
  }
  fmt::print("load    {:>10} symbols   {:>9.2f} ms, {:.1f} MB of file, {:.1f} MB of memory\n",
             module->symbols().symbol_count(), load_s * 1e3, static_cast<double>(file_bytes) / 1e6,
             static_cast<double>(module->symbols().size_bytes()) / 1e6);

  const std::vector<std::uint64_t> offsets = offsets_in_functions(*module, file_bytes, count);
  const std::size_t used = offsets.size() / kFramesPerStack * kFramesPerStack;
  CHECK(used != 0);
  const FileIdentity identity = identify(fd.get()).value();
  const LocatedFile file{.file = std::make_shared<const ExecutableFile>(ExecutableFile{
                             .id = 1, .identity = identity, .is_elf = true, .name = "bench"}),
                         .place = {.pid = ::getpid(), .area = "", .path = path}};
  const LocatedBatch batch = batch_of(file, offsets);
  const LocatedBatch first_stack =
      batch_of(file, {offsets.begin(), offsets.begin() + kFramesPerStack});
  FrameNamer namer(kCacheBytes);
  Profile profile;
  namer.add(first_stack, profile);  // loads the module: told apart above
  print_rate("cold", used, seconds_of([&] { namer.add(batch, profile); }));
  print_rate("warm", used, seconds_of([&] { namer.add(batch, profile); }));
  std::size_t found = 0;
  const auto ask_module = [&] {
    for (const std::uint64_t offset : offsets) {
      found += module->find_name(*module->address_of_offset(offset)).has_value() ? 1U : 0U;
    }
  };
  ask_module();  // demangles
  print_rate("module", offsets.size(), seconds_of(ask_module));
  CHECK(found == 2 * offsets.size());
  return 0;
}

}  // namespace
}  // namespace waggle

int main(int argc, char** argv) {
  const auto count = waggle::parse_number<std::size_t>(argc > 2 ? argv[2] : "100000");
  if (argc < 2 || argc > 3 || !count || *count < waggle::kFramesPerStack) {
    fmt::print(stderr, "usage: resolver_bench FILE [ADDRESSES, 32 or more]\n");
    return 2;
  }
  return waggle::run(argv[1], *count);
}
