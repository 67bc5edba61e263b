// SPDX-License-Identifier: Apache-2.0
// Pythons that live briefly, in crowds, inside other programs, or of files that are gone: whatever
// is recorded of them is theirs.  And the options that say how Python is recorded.
#include <bpf/bpf.h>
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "tests/e2e/python/expected_stacks.h"
#include "tests/e2e/python/recorded_stacks.h"
#include "tests/interpreters.h"
#include "tests/process_facts.h"
#include "tests/temp_dir.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;
using testing::PrintToString;
using Words = std::vector<std::string>;

constexpr const char* kNoThreadState = "[python: no thread state]";

std::string life_program(const std::string& name) {
  return std::string(PYTHON_LIFE) + "/" + name + ".py";
}

std::string python_program(const std::string& name) {
  return std::string(PYTHON_PROGRAMS) + "/" + name + ".py";
}

CollapsedFile profile_of(const WaggleResult& result) {
  EXPECT_EQ(result.status, 0) << result.err;
  const std::size_t header = std::min(result.out.find("# {"), result.out.size());
  CollapsedFile file = CollapsedFile::parse(std::string_view(result.out).substr(header));
  EXPECT_TRUE(file.adds_up());
  return file;
}

// Of our own root, as the tests start them without a chroot.
std::vector<std::string> find_local(const std::string& version) {
  std::vector<std::string> programs;
  for (const Interpreter& interpreter : find_interpreters(version)) {
    if (interpreter.root.empty()) {
      programs.push_back(interpreter.program);
    }
  }
  return programs;
}

fs::path prefix_of(const std::string& file) {
  return fs::path(file).parent_path().parent_path();
}

// Beside an interpreter that has one.
std::optional<std::string> library_of(const std::string& program, const std::string& version) {
  for (const std::string& ending : {version, version + "m"}) {
    const fs::path library = prefix_of(program) / "lib" / ("libpython" + ending + ".so.1.0");
    if (fs::exists(library)) {
      return library.string();
    }
  }
  return std::nullopt;
}

std::vector<std::string> find_libraries(const std::string& version) {
  std::vector<std::string> libraries;
  for (const std::string& program : find_local(version)) {
    if (auto library = library_of(program, version)) {
      libraries.push_back(*std::move(library));
    }
  }
  return libraries;
}

// A frame of the evaluation loop; 2.7 and 3.6 have no other name for it.
bool is_evaluating(const CollapsedFile::Line& line) {
  return std::ranges::any_of(line.frames, [](const std::string& frame) {
    return frame.starts_with("_PyEval_EvalFrameDefault") || frame.starts_with("PyEval_EvalFrame");
  });
}

// Samples in it that show nothing of Python, not even that it is missing.
std::uint64_t evaluating_alone(const CollapsedFile& file, const std::string& comm) {
  std::uint64_t sum = 0;
  for (const CollapsedFile::Line& line : file.lines) {
    sum += line.comm == comm && python_part(line).empty() && is_evaluating(line) ? line.count : 0;
  }
  return sum;
}

std::vector<Functions> stated_by(const std::string& path, const std::string& version) {
  const auto stacks = read_expected_stacks(path, version);
  EXPECT_TRUE(stacks) << stacks.error().what;
  std::vector<Functions> stated;
  for (const ExpectedStack& stack : stacks.value_or(std::vector<ExpectedStack>())) {
    if (!stack.is_idle) {
      stated.push_back(stack.functions);
    }
  }
  return stated;
}

// Every stack with Python in it is one of these.  From before the interpreter was known, and while
// no Python runs, there are native ones.
struct Share {
  std::uint64_t right = 0;
  std::uint64_t wrong = 0;
  std::uint64_t native = 0;

  [[nodiscard]] std::uint64_t all() const { return right + wrong + native; }
  Share& operator+=(const Share& other) {
    right += other.right;
    wrong += other.wrong;
    native += other.native;
    return *this;
  }
};

Share compare(const CollapsedFile& file, const std::string& comm,
              const std::vector<Functions>& stated, const std::string& thread = "") {
  Share share;
  for (const auto& [part, count] : python_parts(file, comm, thread)) {
    if (part.empty()) {
      share.native += count;
    } else if (std::ranges::count(stated, part) != 0) {
      share.right += count;
    } else {
      share.wrong += count;
      std::printf("%s: %llu samples: %s\n", comm.c_str(), static_cast<unsigned long long>(count),
                  PrintToString(part).c_str());
    }
  }
  return share;
}

std::string to_text(const Share& share) {
  return fmt::format("{} samples, {} native, {} wrong", share.all(), share.native, share.wrong);
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
  EXPECT_LT(crowd.own_bytes + crowd.python_map_bytes, without.own_bytes + kAddedBytes);
}

// A Python whose file is not, or not any more, where its path says.
class GoneFile {
 public:
  GoneFile(const std::string& folder, std::string comm, const std::string& file)
      : comm_(std::move(comm)), path_(folder + "/" + comm_ + "_file"), file_(file) {
    fs::copy_file(file, path_);
  }

  // `is_library`: of a program that has the Python in it.
  void start(bool is_library, const std::string& program) {
    const std::string link = fs::path(path_).parent_path().string() + "/" + comm_;
    Words command = {"env", "PYTHONHOME=" + prefix_of(file_).string(), link};
    fs::create_symlink(is_library ? PYTHON_EMBEDDED : path_, link);
    if (is_library) {
      command.insert(command.end(), {path_, read_file(program, kMaxSource).value()});
    } else {
      command.insert(command.end(), {"-B", program});
    }
    program_ = std::make_unique<TestProgram>(command);
    ASSERT_EQ(program_->first_line(), "ready");
  }
  void remove() const { fs::remove(path_); }
  void replace(const std::string& other) const {
    fs::copy_file(other, path_ + "_new");
    fs::rename(path_ + "_new", path_);
  }

  [[nodiscard]] const std::string& comm() const { return comm_; }
  [[nodiscard]] pid_t pid() const { return program_->pid(); }

 private:
  static constexpr std::size_t kMaxSource = 64 * 1024;

  std::string comm_;
  std::string path_;
  std::string file_;
  std::unique_ptr<TestProgram> program_;
};

class PythonFile : public testing::TestWithParam<const char*> {};

// Another Python of that kind, for which no frame would be right.
std::string other_than(const std::string& version, bool is_library) {
  for (const std::string other : {"3.12", "3.7", "3.9", "2.7"}) {
    if (other == version) {
      continue;
    }
    const Words found = is_library ? find_libraries(other) : find_local(other);
    if (!found.empty()) {
      return found.front();
    }
  }
  return "/bin/sh";
}

TEST_P(PythonFile, deleted_or_replaced_is_the_one_that_runs) {
  const std::string version = GetParam();
  const std::string program = python_program("recursion");
  const std::vector<Functions> stated = stated_by(program, version);
  const TempDir folder;
  std::vector<std::unique_ptr<GoneFile>> before;
  std::vector<std::pair<std::unique_ptr<GoneFile>, std::string>> meanwhile;
  const auto start = [&](const std::string& comm, const std::string& file, bool is_library) {
    auto gone = std::make_unique<GoneFile>(folder.path(), comm, file);
    gone->start(is_library, program);
    return gone;
  };
  const auto start_each = [&](const std::string& file, const std::string& kind, bool is_library) {
    const std::string other = other_than(version, is_library);
    before.push_back(start(kind + "_deleted", file, is_library));
    before.back()->remove();
    before.push_back(start(kind + "_replaced", file, is_library));
    before.back()->replace(other);
    meanwhile.emplace_back(start(kind + "_del_later", file, is_library), "");
    meanwhile.emplace_back(start(kind + "_rep_later", file, is_library), other);
  };
  for (const std::string& python : find_local(version)) {
    if (!library_of(python, version)) {
      ASSERT_NO_FATAL_FAILURE(start_each(python, "exe", false));
      break;
    }
  }
  const Words libraries = find_libraries(version);
  if (!libraries.empty()) {
    ASSERT_NO_FATAL_FAILURE(start_each(libraries.front(), "lib", true));
  }
  if (before.empty()) {
    GTEST_SKIP() << "no Python " << version << " here";
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(500));  // to where the programs stay
  Words command = {"record", "-d", "4", "-F", "999", "-o", "-"};
  std::vector<const GoneFile*> all;
  for (const auto& gone : before) {
    all.push_back(gone.get());
  }
  for (const auto& [gone, other] : meanwhile) {
    all.push_back(gone.get());
  }
  for (const GoneFile* gone : all) {
    command.insert(command.end(), {"-p", std::to_string(gone->pid())});
  }
  WaggleRun run(command);
  std::this_thread::sleep_for(std::chrono::seconds(2));
  for (const auto& [gone, other] : meanwhile) {
    other.empty() ? gone->remove() : gone->replace(other);
  }
  const CollapsedFile file = profile_of(run.wait());
  for (const GoneFile* gone : all) {
    const Share share = compare(file, gone->comm(), stated);
    fmt::print("{} {}: {}\n", version, gone->comm(), to_text(share));
    EXPECT_GE(share.all(), 20U) << gone->comm();
    EXPECT_EQ(share.wrong, 0U) << gone->comm();
    EXPECT_GE(static_cast<double>(share.right), 0.85 * static_cast<double>(share.all()))
        << file.text_of(gone->comm());
  }
}

// A C program that has a Python in it.
TEST_P(PythonFile, in_another_program_has_the_stated_stacks) {
  const std::string version = GetParam();
  const Words libraries = find_libraries(version);
  if (libraries.empty()) {
    GTEST_SKIP() << "no library of Python " << version << " here";
  }
  const std::string& library = libraries.front();
  const std::string home = "PYTHONHOME=" + prefix_of(library).string();
  const TempDir folder;
  std::vector<std::unique_ptr<TestProgram>> programs;
  Words command = {"record", "-d", "3", "-F", "999", "-o", "-"};
  const auto start = [&](const std::string& comm, const std::string& embedding, const Words& rest) {
    const std::string link = folder.path() + "/" + comm;
    fs::create_symlink(embedding, link);
    Words words = {"env", home, link, library};
    words.insert(words.end(), rest.begin(), rest.end());
    programs.push_back(std::make_unique<TestProgram>(words));
    EXPECT_EQ(programs.back()->first_line(), "ready");
    command.insert(command.end(), {"-p", std::to_string(programs.back()->pid())});
  };
  const Words names = {"callback_sort", "recursion", "methods", "generators"};
  for (const std::string& name : names) {
    start(name, PYTHON_EMBEDDED, {read_file(python_program(name), 64 * 1024).value()});
  }
  start("gilstate", PYTHON_GILSTATE, {});
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  const CollapsedFile file = profile_of(run_waggle(command));
  for (const std::string& name : names) {
    const Share share = compare(file, name, stated_by(python_program(name), version));
    fmt::print("{} {}: {}\n", version, name, to_text(share));
    EXPECT_GE(share.all(), 20U) << name;
    EXPECT_LE(share.wrong * 1000, share.all()) << name;
    EXPECT_GE(static_cast<double>(share.right), 0.85 * static_cast<double>(share.all()))
        << file.text_of(name);
  }
  // Its threads enter and leave: what they leave behind is never shown.
  std::vector<Functions> stated = stated_by(PYTHON_GILSTATE_SOURCE, version);
  std::erase(stated, Functions());
  const Share share = compare(file, "gilstate", stated);
  fmt::print("{} gilstate: {}\n", version, to_text(share));
  EXPECT_GE(share.right, 100U) << file.text_of("gilstate");
  EXPECT_EQ(share.wrong, 0U);
  EXPECT_LE(static_cast<double>(evaluating_alone(file, "gilstate")),
            0.15 * static_cast<double>(share.all()))
      << file.text_of("gilstate");
}

INSTANTIATE_TEST_SUITE_P(Version, PythonFile,
                         testing::Values("2.7", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12",
                                         "3.13", "3.14", "3.15"),
                         version_name);

INSTANTIATE_TEST_SUITE_P(Version, PythonLife,
                         testing::Values("3.8", "3.10", "3.11", "3.12", "3.13"), version_name);

// Two interpreters at work, and what a recording with these options shows of them.
class PythonOptions : public testing::Test {
 protected:
  void SetUp() override {
    const Words found = find_local(kVersion);
    if (found.empty()) {
      GTEST_SKIP() << "no Python " << kVersion << " here";
    }
    for (const std::string comm : {"first", "second"}) {
      const std::string link = dir_.path() + "/" + comm;
      fs::create_symlink(found.front(), link);
      programs_.push_back(
          std::make_unique<TestProgram>(Words{link, "-B", python_program("callback_sort")}));
      ASSERT_EQ(programs_.back()->first_line(), "ready");
    }
  }

  CollapsedFile record(const Words& options) {
    Words command = {"record", "-d", "2", "-F", "499", "-o", "-"};
    for (const auto& program : programs_) {
      command.insert(command.end(), {"-p", std::to_string(program->pid())});
    }
    command.insert(command.end(), options.begin(), options.end());
    const WaggleResult result = run_waggle(command);
    messages_ = result.err;
    return profile_of(result);
  }

  static Share compare_with_stated(const CollapsedFile& file, const std::string& comm) {
    const Share share = compare(file, comm, stated_by(python_program("callback_sort"), kVersion));
    EXPECT_GE(share.all(), 20U) << comm;
    EXPECT_EQ(share.wrong, 0U) << comm;
    return share;
  }
  static void expect_python(const CollapsedFile& file, const std::string& comm) {
    const Share share = compare_with_stated(file, comm);
    EXPECT_GE(static_cast<double>(share.right), 0.85 * static_cast<double>(share.all()))
        << file.text_of(comm);
  }
  // Of the stacks that native frames could be walked for: on a busy host tables come late.
  static double share_of_whole(const CollapsedFile& file, const std::string& comm,
                               const std::string& part) {
    std::uint64_t with_part = 0;
    std::uint64_t all = 0;
    for (const CollapsedFile::Line& line : file.lines) {
      const std::string stack = line.stack();
      if (line.comm == comm && stack.find("[truncated") == std::string::npos) {
        all += line.count;
        with_part += stack.find(part) != std::string::npos ? line.count : 0;
      }
    }
    EXPECT_GE(all, 20U) << file.text_of(comm);
    return static_cast<double>(with_part) / static_cast<double>(all);
  }
  // Nothing tells of Python, and the frames of its loop are those of any program.
  static void expect_native(const CollapsedFile& file, const std::string& comm) {
    EXPECT_EQ(compare_with_stated(file, comm).right, 0U);
    EXPECT_EQ(file.count_of(comm, "_[p"), 0U) << file.text_of(comm);
    EXPECT_GE(share_of_whole(file, comm, ";_PyEval_EvalFrameDefault;"), 0.95) << file.text_of(comm);
  }

  static constexpr const char* kVersion = "3.11";
  TempDir dir_;
  std::vector<std::unique_ptr<TestProgram>> programs_;
  std::string messages_;
};

TEST_F(PythonOptions, walk_python_in_these_modes) {
  for (const std::string mode : {"auto", "ebpf", "pyperf"}) {
    SCOPED_TRACE(mode);
    const CollapsedFile file = record({"--python-mode", mode});
    expect_python(file, "first");
    expect_python(file, "second");
    // Its frames stand in the place of the loop's.
    EXPECT_LE(file.share_of("first", "_PyEval_EvalFrameDefault"), 0.15) << file.text_of("first");
    EXPECT_GE(share_of_whole(file, "first", ";_start_[pn];"), 0.95) << file.text_of("first");
  }
}

TEST_F(PythonOptions, leave_python_native) {
  for (const Words& options : {Words{"--no-python"}, Words{"--python-mode", "disabled"},
                               Words{"--python-mode", "ebpf", "--no-python"}}) {
    SCOPED_TRACE(PrintToString(options));
    const CollapsedFile file = record(options);
    expect_native(file, "first");
    expect_native(file, "second");
  }
}

// Each run of Python frames stands below the frame of the loop that runs it: two callbacks, and the
// program itself.
TEST_F(PythonOptions, keep_the_frames_of_the_loop) {
  const CollapsedFile file = record({"--python-eval-frames"});
  for (const std::string comm : {"first", "second"}) {
    expect_python(file, comm);
    std::uint64_t whole = 0;
    for (const CollapsedFile::Line& line : file.lines) {
      Functions pattern;
      for (const std::string& frame : line.frames) {
        const bool is_loop = frame.starts_with("_PyEval_EvalFrameDefault_[p");
        const bool is_python = frame.ends_with(kPythonSuffix);
        if (is_loop || is_python) {
          pattern.emplace_back(is_loop ? "loop" : take_apart(frame).name);
        }
      }
      const bool is_whole = pattern == Functions{"loop", "<module>",  "loop", "outer_key",
                                                 "loop", "inner_key", "burn"};
      whole += line.comm == comm && is_whole ? line.count : 0;
    }
    EXPECT_GE(static_cast<double>(whole), 0.85 * static_cast<double>(file.count_of(comm)))
        << file.text_of(comm);
  }
}

TEST_F(PythonOptions, walk_no_more_processes_than_asked_for) {
  const auto lines_with = [this](const std::string& part) {
    const auto lines = split(messages_, '\n');
    return std::ranges::count_if(
        lines, [&](std::string_view line) { return line.find(part) != std::string_view::npos; });
  };
  const std::string option = "--python-skip-pyperf-profiler-above";
  const CollapsedFile one = record({option, "1", "--python-mode", "ebpf"});
  const bool is_first = compare_with_stated(one, "first").right != 0;
  expect_python(one, is_first ? "first" : "second");
  expect_native(one, is_first ? "second" : "first");
  EXPECT_EQ(lines_with(option), 1) << messages_;
  for (const std::string enough : {"2", "0"}) {
    const CollapsedFile both = record({option, enough});
    expect_python(both, "first");
    expect_python(both, "second");
    EXPECT_EQ(lines_with(option), 0) << messages_;
  }
}

}  // namespace
}  // namespace waggle
