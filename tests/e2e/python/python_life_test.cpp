// SPDX-License-Identifier: Apache-2.0
// Pythons that live briefly, or in crowds: whatever is recorded of them is theirs.
#include <bpf/bpf.h>
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "tests/e2e/python/recorded_pythons.h"
#include "tests/e2e/python/recorded_stacks.h"
#include "tests/interpreters.h"
#include "tests/process_facts.h"
#include "tests/temp_dir.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {
namespace {

namespace fs = std::filesystem;

constexpr const char* kNoThreadState = "[python: no thread state]";

std::string life_program(const std::string& name) {
  return std::string(PYTHON_LIFE) + "/" + name + ".py";
}

class PythonLife : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const auto found = find_local(GetParam());
    if (found.empty()) {
      GTEST_SKIP() << "no Python " << GetParam() << " here";
    }
    python_ = found.front();
  }

  // The interpreter by another name, which is what its process is called.
  std::string named(const std::string& comm) {
    const std::string path = dir_.path() + "/" + comm;
    fs::create_symlink(python_, path);
    return path;
  }

  TempDir dir_;
  std::string python_;
};

// A process of 100 ms, again and again.  The file of the interpreter is looked into while the first
// ones live: these may lack their Python functions, wholly or for a time.  From the one on that
// comes after the first with Python, the kernel side learns of each process at its exec.
TEST_P(PythonLife, of_100_ms_is_seen_again_and_again) {
  constexpr int kProcesses = 30;
  constexpr int kFirstKnown = 2;
  const std::string loop = "i=0; while [ $i -lt " + std::to_string(kProcesses) + " ]; do '" +
                           named("brief") + "' '" + life_program("brief") +
                           "' work_$i; i=$((i+1)); done";
  const CollapsedFile file = profile_of(
      run_waggle({"record", "--threads", "-F", "999", "-o", "-", "--", "sh", "-c", loop}));
  Share early;
  Share known;
  int first_known = -1;
  for (int i = 0; i < kProcesses; ++i) {
    const Share share =
        compare(file, "brief", {{"<module>", "at_work"}}, "work_" + std::to_string(i));
    EXPECT_GE(share.all(), 30U) << i;
    EXPECT_EQ(share.wrong, 0U) << i;
    (first_known < 0 ? early : known) += share;
    if (first_known < 0 && share.right != 0) {
      first_known = i;
    }
  }
  fmt::print("{}: process {} is the first with Python: {}; then {}\n", GetParam(), first_known,
             to_text(early), to_text(known));
  EXPECT_GE(first_known, 0);
  EXPECT_LE(first_known, kFirstKnown);
  EXPECT_GE(static_cast<double>(known.right), 0.95 * static_cast<double>(known.all()))
      << file.text_of("brief");
}

// Threads that live for some 0.1 ms: thread states, and the numbers of threads, are used again all
// the time.
TEST_P(PythonLife, of_threads_that_come_and_go_never_shows_others) {
  constexpr double kSeconds = 3;
  const WaggleResult result =
      run_waggle({"record", "--threads", "-F", "999", "-o", "-", "--", named("restless"),
                  life_program("come_and_go"), std::to_string(kSeconds)});
  const CollapsedFile file = profile_of(result);
  const auto threads = parse_number<std::uint64_t>(split(result.out, '\n').front());
  ASSERT_TRUE(threads) << result.out;
  EXPECT_GE(static_cast<double>(*threads), 1000 * kSeconds);
  for (const std::string name : {"even", "odd"}) {
    const Share share =
        compare(file, "restless", {{name}, {name, "rename"}, {kNoThreadState}}, name);
    EXPECT_EQ(share.wrong, 0U);
    fmt::print("{}: {} threads, {}: {}\n", GetParam(), *threads, name, to_text(share));
    EXPECT_GE(share.right, 50U) << file.text_of("restless");
  }
  const std::uint64_t marked = file.count_of("restless", kNoThreadState);
  EXPECT_GE(file.header["waggle"]["truncated"].get<std::uint64_t>(), marked);
  // What is native alone begins or ends the thread.
  EXPECT_LE(evaluating_alone(file, "restless") * 100, file.count_of("restless"))
      << file.text_of("restless");
}

// More thread states than one sample looks at, and the one that is wanted, which is not in use
// while its thread works without the GIL, comes last.
TEST_P(PythonLife, of_a_thread_among_2000_is_seen_at_each_sample) {
  const TestProgram program({named("crowded"), "-B", life_program("many_threads"), "2000"});
  ASSERT_EQ(program.first_line(), "ready");
  const CollapsedFile file = profile_of(run_waggle(
      {"record", "-d", "3", "-F", "499", "-o", "-", "-p", std::to_string(program.pid())}));
  Share share;
  for (const auto& [part, count] : python_parts(file, "crowded")) {
    const bool is_right = !part.empty() && part.back() == "compress";
    const bool is_missing = part.empty() || part == Functions{kNoThreadState};
    share.right += is_right ? count : 0;
    share.native += is_missing ? count : 0;
    share.wrong += is_right || is_missing ? 0 : count;
  }
  fmt::print("{}: {}\n", GetParam(), to_text(share));
  EXPECT_GE(share.all(), 200U);
  EXPECT_EQ(share.wrong, 0U) << file.text_of("crowded");
  EXPECT_GE(static_cast<double>(share.right), 0.85 * static_cast<double>(share.all()))
      << file.text_of("crowded");
}

// What the maps for Python take, of those that the process has open.
std::uint64_t python_map_bytes(pid_t pid) {
  std::uint64_t sum = 0;
  std::error_code ended;
  for (const auto& entry :
       fs::directory_iterator("/proc/" + std::to_string(pid) + "/fdinfo", ended)) {
    std::map<std::string, std::uint64_t> facts;
    const auto text = read_file(entry.path(), 4096).value_or("");
    for (const std::string_view line : split(text, '\n')) {
      const std::size_t tab = std::min(line.find(":\t"), line.size());
      const auto value = parse_number<std::uint64_t>(line.substr(std::min(tab + 2, line.size())));
      facts[std::string(line.substr(0, tab))] = value.value_or(0);
    }
    bpf_map_info info{};
    std::uint32_t size = sizeof(info);
    const UniqueFd map(facts.contains("map_id")
                           ? bpf_map_get_fd_by_id(static_cast<std::uint32_t>(facts["map_id"]))
                           : -1);
    if (map.is_open() && bpf_obj_get_info_by_fd(map.get(), &info, &size) == 0 &&
        std::string_view(info.name).starts_with("py_")) {
      sum += facts["memlock"];
    }
  }
  return sum;
}

struct Crowd {
  CollapsedFile file;
  std::uint64_t own_bytes = 0;
  std::uint64_t map_bytes = 0;         // of all maps
  std::uint64_t python_map_bytes = 0;  // of those for Python
};

Crowd record_crowd(const std::string& python, int count, const Words& options) {
  const TempDir folder;
  const std::string start = fmt::format(
      "i=0; while [ $i -lt {0} ]; do ln -s '{1}' '{2}'/crowd_$i; '{2}'/crowd_$i -I -S '{3}' $i {0} "
      "'{2}' & i=$((i+1)); done; wait",
      count, python, folder.path(), life_program("crowd"));
  Words command = {"record", "-F", "999", "-o", "-"};
  command.insert(command.end(), options.begin(), options.end());
  command.insert(command.end(), {"--", "sh", "-c", start});
  WaggleRun run(command);
  std::uint64_t python_maps = 0;
  while (process_state(run.pid()) != 'Z') {
    python_maps = std::max(python_maps, python_map_bytes(run.pid()));
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  Crowd crowd{.file = profile_of(run.wait())};
  const auto& overhead = crowd.file.header["waggle"]["overhead"];
  crowd.own_bytes = overhead["rss_bytes"].get<std::uint64_t>();
  crowd.map_bytes = overhead["bpf_map_bytes"].get<std::uint64_t>();
  crowd.python_map_bytes = python_maps;
  fmt::print("{} processes {}: own memory {} KiB, maps {} KiB, for Python {} KiB of them\n", count,
             fmt::join(options, " "), crowd.own_bytes / 1024, crowd.map_bytes / 1024,
             crowd.python_map_bytes / 1024);
  return crowd;
}

// All are there at once, each with a function of its own name; everything else about them is the
// same, the addresses too as far as the kernel lets them.
TEST(PythonCrowd, of_200_processes_shows_to_each_its_own) {
  constexpr int kCount = 200;
  constexpr std::uint64_t kAddedBytes = std::uint64_t{16} << 20;
  constexpr std::uint64_t kLeftBytes = 64 << 10;  // for each CPU, of the walk in progress
  const auto found = find_local("3.11");
  if (found.empty()) {
    GTEST_SKIP() << "no Python 3.11 here";
  }
  const Crowd crowd = record_crowd(found.front(), kCount, {});
  int with_samples = 0;
  int with_own = 0;
  Share all;
  std::uint64_t marked = 0;
  for (int i = 0; i < kCount; ++i) {
    const std::string comm = "crowd_" + std::to_string(i);
    const std::string own = "work_" + std::to_string(i);
    Share share;
    for (const auto& [part, count] : python_parts(crowd.file, comm)) {
      const bool is_own = !part.empty() && part.back() == own;
      share.right += is_own ? count : 0;
      share.native += is_own ? 0 : count;  // or from the start of the interpreter
      for (const std::string& name : part) {
        EXPECT_TRUE(!name.starts_with("work_") || name == own) << comm << ' ' << name;
        marked += name.starts_with(kPythonMarker) ? count : 0;
      }
    }
    with_samples += share.all() != 0 ? 1 : 0;
    with_own += share.right != 0 ? 1 : 0;
    EXPECT_TRUE(share.right != 0) << crowd.file.text_of(comm);
    all += share;
  }
  fmt::print("{} of {} show their own function, in {} of {} samples; {} are marked\n", with_own,
             with_samples, all.right, all.all(), marked);
  EXPECT_LE(marked * 200, all.all());
  EXPECT_EQ(with_samples, kCount);
  const Crowd without = record_crowd(found.front(), kCount, {"--no-python"});
  ASSERT_GT(crowd.python_map_bytes, 0U);
  EXPECT_LE(crowd.python_map_bytes, crowd.map_bytes);
  EXPECT_LT(crowd.own_bytes + crowd.python_map_bytes,
            without.own_bytes + without.python_map_bytes + kAddedBytes);
  EXPECT_LT(without.python_map_bytes, kLeftBytes * static_cast<std::uint64_t>(::get_nprocs_conf()));
}

INSTANTIATE_TEST_SUITE_P(Version, PythonLife,
                         testing::Values("3.8", "3.10", "3.11", "3.12", "3.13"), version_name);

}  // namespace
}  // namespace waggle
