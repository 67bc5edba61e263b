// SPDX-License-Identifier: Apache-2.0
// Interpreters that are not what waggle knows: their stacks stay native, with a marker, a counter
// and one line in the log.  Each is a real one, changed in the few bytes that it is known by.
#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "base/text.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/elf_symbols.h"
#include "tests/e2e/python/recorded_pythons.h"
#include "tests/e2e/python/recorded_stacks.h"
#include "tests/temp_dir.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {
namespace {

namespace fs = std::filesystem;

constexpr const char* kUnknownVersion = "[python: unknown version]";
constexpr std::size_t kMaxFile = 64 << 20;

// The bytes of an interpreter's file, to be changed.
class Changed {
 public:
  explicit Changed(const std::string& file)
      : file_(ElfFile::open(open_file(file, O_RDONLY).value()).value()),
        bytes_(read_file(file, kMaxFile).value()) {}

  // A word of the variable, `index` words from its start.
  [[nodiscard]] std::uint64_t word(std::string_view variable, std::size_t index) const {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes_.data() + offset_of(variable, index), sizeof(value));
    return value;
  }
  void set_word(std::string_view variable, std::size_t index, std::uint64_t value) {
    std::memcpy(bytes_.data() + offset_of(variable, index), &value, sizeof(value));
  }

  // A name of a symbol, by another of that length.
  void rename(std::string_view name, std::string_view other) {
    ASSERT_EQ(name.size(), other.size());
    const std::string whole = std::string(1, '\0') + std::string(name) + std::string(1, '\0');
    int count = 0;
    for (std::size_t at = bytes_.find(whole); at != std::string::npos;
         at = bytes_.find(whole, at + 1)) {
      bytes_.replace(at + 1, other.size(), other);
      ++count;
    }
    EXPECT_GT(count, 0) << name;
  }

  void write(const std::string& path) const {
    const Result<> written = write_file_atomically(path, bytes_);
    ASSERT_TRUE(written) << written.error().what;
    fs::permissions(path, fs::perms::owner_all);
  }

 private:
  [[nodiscard]] std::size_t offset_of(std::string_view variable, std::size_t index) const {
    std::uint64_t address = 0;
    EXPECT_TRUE(visit_symbols(file_, [&](const ElfSymbol& symbol) {
      address = symbol.name == variable ? symbol.address : address;
    }));
    for (const ElfSegment& segment : file_.load_segments()) {
      if (segment.has_address(address)) {
        return segment.offset + (address - segment.address) + index * sizeof(std::uint64_t);
      }
    }
    ADD_FAILURE() << variable << " is not in the file";
    return 0;
  }

  ElfFile file_;
  std::string bytes_;
};

struct Recorded {
  CollapsedFile file;
  std::string messages;

  [[nodiscard]] std::ptrdiff_t lines_with(std::string_view part) const {
    const auto lines = split(messages, '\n');
    return std::ranges::count_if(
        lines, [&](std::string_view line) { return line.find(part) != std::string_view::npos; });
  }
};

// What a recording of some seconds shows of "unknown", which runs `words`.
Recorded record_unknown(const TempDir& folder, const std::string& program, const Words& environment,
                        const Words& arguments, int seconds) {
  const std::string link = folder.path() + "/unknown";
  fs::create_symlink(program, link);
  Words command = {"env"};
  command.insert(command.end(), environment.begin(), environment.end());
  command.push_back(link);
  command.insert(command.end(), arguments.begin(), arguments.end());
  const TestProgram running(command);
  EXPECT_EQ(running.first_line(), "ready");
  std::this_thread::sleep_for(std::chrono::milliseconds(500));  // to where the program stays
  const WaggleResult result = run_waggle({"record", "-d", std::to_string(seconds), "-F", "499",
                                          "-o", "-", "-p", std::to_string(running.pid())});
  return {.file = profile_of(result), .messages = result.err};
}

// Native frames as of any program, and in nearly each stack one marker.
void expect_marked(const CollapsedFile& file) {
  std::uint64_t marked = 0;
  for (const CollapsedFile::Line& line : file.lines) {
    const auto markers = std::ranges::count(line.frames, kUnknownVersion);
    EXPECT_LE(markers, 1) << line.stack();
    EXPECT_EQ(line.stack().find(kPythonSuffix), std::string::npos) << line.stack();
    marked += markers != 0 ? line.count : 0;
  }
  const std::uint64_t all = file.count_of("unknown");
  fmt::print("{} samples, {} marked\n", all, marked);
  EXPECT_GE(all, 50U);
  EXPECT_GE(static_cast<double>(marked), 0.85 * static_cast<double>(all))
      << file.text_of("unknown");
  EXPECT_GE(file.share_of("unknown", ";_PyEval_EvalFrame"), 0.85) << file.text_of("unknown");
  EXPECT_GE(file.header["waggle"]["truncated"].get<std::uint64_t>(), marked);
}

// The first stack frames are the process' entry, behind the marker.
void expect_marker_at_the_root(const CollapsedFile& file) {
  for (const CollapsedFile::Line& line : file.lines) {
    const auto marker = std::ranges::find(line.frames, kUnknownVersion);
    if (marker != line.frames.end() && line.stack().find("[truncated") == std::string::npos) {
      EXPECT_EQ(marker, line.frames.begin()) << line.stack();
    }
  }
}

// Debian's, whose program has the Python in it.
class UnknownProgram : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(kProgram)) {
      GTEST_SKIP() << "no " << kProgram << " here";
    }
    changed_.emplace(kProgram);
  }

  Recorded record() {
    const std::string copy = folder_.path() + "/python_file";
    changed_->write(copy);
    return record_unknown(folder_, copy, {"PYTHONHOME=/usr"}, {"-B", python_program("recursion")},
                          2);
  }

  static constexpr const char* kProgram = "/usr/bin/python3.11";
  TempDir folder_;
  std::optional<Changed> changed_;
};

TEST_F(UnknownProgram, of_a_version_that_no_table_has_is_marked) {
  ASSERT_EQ(changed_->word("Py_Version", 0) >> 16, 0x030bU);
  changed_->set_word("Py_Version", 0, 0x037f00f0);
  const Recorded recorded = record();
  expect_marked(recorded.file);
  expect_marker_at_the_root(recorded.file);
  EXPECT_EQ(recorded.lines_with("no layout for Python 3.127.0"), 1) << recorded.messages;
}

TEST_F(UnknownProgram, whose_evaluation_loop_has_another_name_is_marked) {
  changed_->rename("_PyEval_EvalFrameDefault", "_PyEval_EvalFrameUnknown");
  const Recorded recorded = record();
  expect_marked(recorded.file);
  expect_marker_at_the_root(recorded.file);
  EXPECT_EQ(recorded.lines_with("the evaluation loop of Python 3.11"), 1) << recorded.messages;
}

// From 3.13 on a build says where its fields are, so that an unknown one can be tried.
class UnknownLibrary : public testing::Test {
 protected:
  void SetUp() override {
    const Words libraries = find_libraries("3.13");
    if (libraries.empty()) {
      GTEST_SKIP() << "no library of Python 3.13 here";
    }
    library_ = libraries.front();
    changed_.emplace(library_);
    ASSERT_EQ(changed_->word(kRuntime, kVersion) >> 16, 0x030dU);
    changed_->set_word(kRuntime, kVersion, 0x030d00a1);  // an alpha, which was any at its time
  }

  Recorded record(int seconds) {
    const std::string copy = folder_.path() + "/python_file";
    changed_->write(copy);
    return record_unknown(folder_, PYTHON_EMBEDDED, {"PYTHONHOME=" + prefix_of(library_).string()},
                          {copy, read_file(python_program("recursion"), 64 * 1024).value()},
                          seconds);
  }

  static constexpr const char* kRuntime = "_PyRuntime";
  static constexpr std::size_t kVersion = 1;  // words of _Py_DebugOffsets
  static constexpr std::size_t kThreadId = 24;
  TempDir folder_;
  std::string library_;
  std::optional<Changed> changed_;
};

TEST_F(UnknownLibrary, that_proves_to_be_as_it_says_is_walked) {
  const Recorded recorded = record(2);
  const Share share =
      compare(recorded.file, "unknown", stated_by(python_program("recursion"), "3.13"));
  fmt::print("{}\n", to_text(share));
  EXPECT_GE(share.right, 50U);
  // Until it is proven its stacks are marked; what it shows is right from then on.
  for (const auto& [part, count] : python_parts(recorded.file, "unknown")) {
    EXPECT_TRUE(part.empty() || part == Functions{kUnknownVersion} || part.size() == 302U)
        << testing::PrintToString(part);
  }
  EXPECT_GE(static_cast<double>(share.right), 0.85 * static_cast<double>(share.all()));
}

TEST_F(UnknownLibrary, that_proves_to_be_something_else_is_marked) {
  changed_->set_word(kRuntime, kThreadId, changed_->word(kRuntime, kThreadId) + 8);
  const Recorded recorded = record(5);
  expect_marked(recorded.file);
  EXPECT_EQ(recorded.lines_with("Python 3.13.0 is not known"), 1) << recorded.messages;
}

}  // namespace
}  // namespace waggle
