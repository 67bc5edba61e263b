// SPDX-License-Identifier: Apache-2.0
// Pythons inside other programs, and of files that are gone: whatever is recorded of them is
// theirs.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/file.h"
#include "tests/e2e/python/recorded_pythons.h"
#include "tests/e2e/python/recorded_stacks.h"
#include "tests/interpreters.h"
#include "tests/temp_dir.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {
namespace {

namespace fs = std::filesystem;

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
  // A list that changes while it is searched can end early; the stack says so.
  const std::uint64_t unfound = file.count_of("gilstate", "[python: no thread state]");
  EXPECT_EQ(share.wrong, unfound);
  EXPECT_LE(unfound * 100, share.all());
  EXPECT_LE(static_cast<double>(evaluating_alone(file, "gilstate")),
            0.15 * static_cast<double>(share.all()))
      << file.text_of("gilstate");
}

INSTANTIATE_TEST_SUITE_P(Version, PythonFile,
                         testing::Values("2.7", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12",
                                         "3.13", "3.14", "3.15"),
                         version_name);

}  // namespace
}  // namespace waggle
