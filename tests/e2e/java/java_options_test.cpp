// SPDX-License-Identifier: Apache-2.0
// What a person can say of async-profiler, and what becomes of it.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/text.h"
#include "tests/e2e/fallback/stand_in.h"
#include "tests/e2e/java/java_programs.h"
#include "tests/e2e/java/java_run.h"
#include "tests/temp_dir.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr std::size_t kMaxLibrary = std::size_t{1} << 24;

std::string library_path() {
  return async_profiler_directory() + "/libasyncProfiler.so";
}

class JavaOptions : public JavaOfVersion {};

TEST_P(JavaOptions, name_the_jattach_that_hangs) {
  const TestProgram program(java_command(GetParam()));
  const ToolStandIn jattach("jattach",
                            "trap '' INT; >/tmp/.attach_pid$1; sleep 600 & echo $! >>$DIR/pids; "
                            "wait");
  const WaggleResult result =
      run_waggle(record(program.pid(), {"-d", "2", "--jattach-path", jattach.path()}));
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_LT(result.took, seconds(2 + 10));
  constexpr const char* kReason =
      "async-profiler: the JVM does not answer, jattach had to be killed";
  EXPECT_THAT(result.err, HasSubstr(kReason));
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_THAT(tool_state(file), HasSubstr(kReason));
  EXPECT_TRUE(file.adds_up());
  jattach.expect_nothing_runs();
  // What would make the JVM's next SIGQUIT mean something else.
  EXPECT_FALSE(std::filesystem::exists(fmt::format("/tmp/.attach_pid{}", program.pid())));
}

TEST_P(JavaOptions, count_the_cpu_time_of_jattach) {
  const TestProgram program(java_command(GetParam()));
  const auto overhead_with = [&](const std::string& behaviour) {
    const ToolStandIn jattach("jattach", behaviour);
    const WaggleResult result =
        run_waggle(record(program.pid(), {"-d", "5", "--jattach-path", jattach.path()}));
    EXPECT_EQ(result.status, 0) << result.err;
    return CollapsedFile::parse(result.out).header["waggle"]["overhead"]["cpu_s"].get<double>();
  };
  const double busy = overhead_with("i=0; while [ $i -lt 1500000 ]; do i=$((i+1)); done; exit 1");
  EXPECT_GT(busy, overhead_with("exit 1") + 0.4);
}

TEST_P(JavaOptions, that_async_profiler_does_not_know_are_told_of) {
  const TestProgram program(java_command(GetParam()));
  const WaggleResult result =
      run_waggle(record(program.pid(), {"-d", "3", "--java-async-profiler-safemode", "3"}));
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_THAT(result.err, HasSubstr("this async-profiler knows no option safemode"));
  EXPECT_THAT(tool_state(file), HasSubstr("knows no option safemode"));
  expect_shares(file);
}

TEST_P(JavaOptions, have_the_memory_of_async_profiler_told_or_not) {
  const TestProgram program(java_command(GetParam()));
  const auto told = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words{"-d", "2", "-v"};
    std::ranges::copy(more, std::back_inserter(words));
    const WaggleResult result = run_waggle(record(program.pid(), words));
    EXPECT_EQ(tool_state(CollapsedFile::parse(result.out)), "ok") << result.err;
    return result.err;
  };
  EXPECT_THAT(told({}), testing::ContainsRegex("async-profiler used [0-9.]+ MiB of its memory"));
  EXPECT_THAT(told({"--java-async-profiler-no-report-meminfo"}),
              Not(HasSubstr("async-profiler used")));
}

// Records a JVM that ends by SIGBUS.
std::string told_of_a_crash(const std::string& version, std::vector<std::string> more) {
  const TempDir folder;
  std::vector<std::string> words = {"env", "--chdir", folder.path()};
  std::ranges::move(java_command(version, {"-XX:-CreateCoredumpOnCrash"}),
                    std::back_inserter(words));
  const TestProgram program(words);
  const TestProgram other({"sh", "-c", "echo ready; while :; do :; done"});
  std::ranges::move(std::vector<std::string>{"-d", "6", "-p", std::to_string(other.pid())},
                    std::back_inserter(more));
  WaggleRun run(record(program.pid(), more));
  EXPECT_TRUE(wait_until([&] { return is_being_sampled(program.pid()); }, seconds(20)));
  EXPECT_EQ(::kill(program.pid(), SIGBUS), 0);
  const WaggleResult result = run.wait();
  EXPECT_EQ(result.status, 0) << result.err;
  return result.err;
}

std::ptrdiff_t count_warnings(const std::string& text) {
  return std::ranges::count_if(split(text, '\n'), [](std::string_view line) {
    return line.starts_with("waggle: warning: ");
  });
}

TEST_P(JavaOptions, tell_of_a_crash_in_a_few_lines_or_all) {
  const std::string few = told_of_a_crash(GetParam(), {});
  EXPECT_THAT(few, HasSubstr("crashed while it was profiled (SIGBUS"));
  EXPECT_THAT(few, HasSubstr("(java): vm_info: OpenJDK"));
  EXPECT_THAT(few, HasSubstr("(java): native frames: "));
  EXPECT_THAT(few, testing::ContainsRegex("\\(java\\): container(: | information not found)"));
  EXPECT_LT(count_warnings(few), 10) << few;
  const std::string all = told_of_a_crash(GetParam(), {"--java-full-hserr"});
  EXPECT_THAT(all, HasSubstr("(java): # A fatal error has been detected"));
  EXPECT_THAT(all, HasSubstr("(java): END."));
  EXPECT_GT(count_warnings(all), 200);
}

TEST_P(JavaOptions, refuse_a_file_that_is_no_async_profiler_before_anything_starts) {
  const TestProgram program(java_command(GetParam()));
  const TempDir folder;
  std::ofstream(folder.path() + "/libasyncProfiler.so") << "text";
  struct Case {
    std::string path, error;
  };
  for (const auto& [path, error] :
       {Case{"/etc/passwd", "/etc/passwd is no shared library: not an ELF file"},
        Case{folder.path(), "/libasyncProfiler.so is no shared library"},
        Case{"/bin/sh", "so it is no async-profiler"},
        Case{"/lib/x86_64-linux-gnu/libm.so.6", "has no function Agent_OnAttach"}}) {
    const WaggleResult result =
        run_waggle(record(program.pid(), {"-d", "1", "--async-profiler-path", path}));
    EXPECT_EQ(result.status, 1) << path;
    EXPECT_THAT(result.err, HasSubstr(error)) << path;
    EXPECT_EQ(result.out, "");
  }
  EXPECT_THAT(mapped_profilers(program.pid()), IsEmpty());
}

// The same library with another build id.
void copy_changed(const std::string& to) {
  std::string bytes = read_file(library_path(), kMaxLibrary).value_or("");
  const std::string note("\4\0\0\0\x14\0\0\0\3\0\0\0GNU\0", 16);
  const std::size_t at = bytes.find(note);
  ASSERT_NE(at, bytes.npos);
  bytes[at + note.size()] = static_cast<char>(bytes[at + note.size()] ^ 1);
  ASSERT_TRUE(write_file_atomically(to, bytes));
}

TEST_P(JavaOptions, cannot_replace_the_library_that_a_jvm_has_loaded_and_that_is_told) {
  const TestProgram program(java_command(GetParam()));
  const TempDir folder;
  ASSERT_NO_FATAL_FAILURE(copy_changed(folder.path() + "/libasyncProfiler.so"));
  const auto told = [&](const std::string& path) {
    const WaggleResult result =
        run_waggle(record(program.pid(), {"-d", "2", "--async-profiler-path", path}));
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(tool_state(CollapsedFile::parse(result.out)), "ok") << result.err;
    return result.err;
  };
  constexpr const char* kTold = "the async-profiler of an earlier waggle stays loaded";
  EXPECT_THAT(told(library_path()), Not(HasSubstr(kTold)));
  EXPECT_THAT(told(library_path()), Not(HasSubstr(kTold)));
  EXPECT_THAT(told(folder.path()), HasSubstr(kTold));
}

// A JDK whose libjvm.so is a file of its own, the rest are links.
std::string copy_jdk(const std::string& java, const std::string& to) {
  namespace fs = std::filesystem;
  const fs::path from = fs::canonical(java).parent_path().parent_path();
  const auto link_all = [](const fs::path& source, const fs::path& target) {
    fs::create_directories(target);
    for (const auto& entry : fs::directory_iterator(source)) {
      fs::create_symlink(entry.path(), target / entry.path().filename());
    }
  };
  link_all(from, to);
  for (const char* part : {"bin", "lib", "lib/server"}) {
    fs::remove(fs::path(to) / part);
    link_all(from / part, fs::path(to) / part);
  }
  for (const char* file : {"bin/java", "lib/libjli.so", "lib/server/libjvm.so"}) {
    fs::remove(fs::path(to) / file);
    fs::copy_file(from / file, fs::path(to) / file);
  }
  return to + "/bin/java";
}

// With perf and stacks of async-profiler's, and matched with those that the kernel walked.
TEST_P(JavaOptions, show_the_files_of_native_functions) {
  const TestProgram program(java_command(GetParam()));
  for (const char* engine : {"ebpf", "fallback"}) {
    const WaggleResult result = run_waggle(
        record(program.pid(), {"-d", "4", "-F", "99", "--insert-dso-name", "--engine", engine}));
    ASSERT_EQ(result.status, 0) << result.err;
    const CollapsedFile file = CollapsedFile::parse(result.out);
    EXPECT_EQ(tool_state(file), "ok") << result.err;
    EXPECT_GT(file.share_of("java", ";Shares.main([Ljava/lang/String|)V_["), 0.5)
        << engine << file.text_of("java");
    EXPECT_EQ(file.count_of("java", "`"), 0U) << engine << file.text_of("java");
    if (std::string_view(engine) == "ebpf") {
      EXPECT_GT(file.count_of("java", " (libjvm.so);"), 0U) << file.text_of("java");
    }
  }
}

TEST_P(JavaOptions, serve_a_jvm_whose_library_was_deleted) {
  const TempDir folder;
  std::vector<std::string> words = java_command(GetParam());
  words.front() = copy_jdk(words.front(), folder.path() + "/jdk");
  const TestProgram program(words);
  ASSERT_TRUE(std::filesystem::remove(folder.path() + "/jdk/lib/server/libjvm.so"));
  const WaggleResult result = run_waggle(record(program.pid(), {"-d", "4"}));
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_EQ(tool_state(file), "ok") << result.err;
  expect_shares(file);
}

INSTANTIATE_TEST_SUITE_P(Version, JavaOptions, testing::Values(JAVA_VERSIONS),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace waggle
