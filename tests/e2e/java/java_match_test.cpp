// SPDX-License-Identifier: Apache-2.0
// Java's frames between the kernel's own, in virtual machines of the versions that are here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/e2e/java/java_programs.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {
namespace {

using testing::HasSubstr;

constexpr std::string_view kThreadStart = ";thread_native_entry(Thread*);";
constexpr std::string_view kRandom = "random";  // in the names of what the kernel does for reader()

// Whether these parts are in the text, one after the other.
bool has_in_order(std::string_view text, const std::vector<std::string_view>& parts) {
  for (const std::string_view part : parts) {
    const std::size_t at = text.find(part);
    if (at == std::string_view::npos) {
      return false;
    }
    text.remove_prefix(at + part.size());
  }
  return true;
}

double share_of(const CollapsedFile& file, const std::vector<std::string_view>& parts) {
  std::uint64_t count = 0;
  for (const auto& line : file.lines) {
    count += has_in_order(line.stack(), parts) ? line.count : 0;
  }
  return static_cast<double>(count) / static_cast<double>(file.total());
}

class JavaMatch : public JavaOfVersion {
 protected:
  static CollapsedFile record_calls(std::vector<std::string> options,
                                    const std::vector<std::string>& more = {}) {
    options.insert(options.end(), {"-XX:+UseG1GC", "-Xmx256m"});
    const TestProgram program(java_command(GetParam(), options, "Calls"));
    std::vector<std::string> arguments = {"record",
                                          "-F",
                                          "499",
                                          "-d",
                                          "3",
                                          "-o",
                                          "-",
                                          "-p",
                                          std::to_string(program.pid()),
                                          "--async-profiler-path",
                                          async_profiler_directory()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const WaggleResult result = run_waggle(arguments);
    EXPECT_EQ(result.status, 0) << result.err;
    return CollapsedFile::parse(result.out);
  }

  // By how Calls is written.
  static void expect_calls(const CollapsedFile& file) {
    EXPECT_TRUE(file.adds_up());
    EXPECT_EQ(file.header["waggle"]["added"], 0);
    // Nearly all of reader() is in the kernel, by way of the functions of JNI.
    const double reader = share_of(file, {";Calls.reader()V_["});
    EXPECT_GT(reader, 0.1) << file.text_of("java");
    const double read = share_of(file, {";Calls.reader()V_[", ";java/io/FileInputStream.readBytes(",
                                        ";readBytes;", "_[k];", kRandom, "_[k]"});
    EXPECT_GT(read, 0.85 * reader) << file.text_of("java");
    EXPECT_EQ(share_of(file, {";Calls.burn", kRandom}), 0);
    EXPECT_EQ(share_of(file, {";Calls.allocator", kRandom}), 0);
    EXPECT_LT(share_of(file, {kRandom}), 1.02 * share_of(file, {";Calls.reader()V_[", kRandom}));
    EXPECT_GT(share_of(file, {";Calls.burner()V_[", ";Calls.burn()V_["}), 0.1);
    // Garbage collection has no Java, whole native stacks, and goes on beside.
    EXPECT_GT(share_of(file, {kThreadStart, ";G1", "::work("}), 0.02) << file.text_of("java");
    EXPECT_EQ(share_of(file, {";G1", "::work(", ";Calls."}), 0);
    // Code that nobody names is gone, but for samples from before async-profiler began.
    EXPECT_LT(share_of(file, {";([anon]+0x"}), 0.05) << file.text_of("java");
  }
};

TEST_P(JavaMatch, has_native_frames_below_java_where_frame_pointers_lead_there) {
  const CollapsedFile file = record_calls({"-XX:+PreserveFramePointer"});
  expect_calls(file);
  const double java = share_of(file, {";Calls."});
  EXPECT_GT(share_of(file, {kThreadStart, ";JavaCalls::call_helper(", ".run()V_[", ";Calls."}),
            0.95 * java)
      << file.text_of("java");
}

TEST_P(JavaMatch, has_kernel_frames_above_java_in_optimized_code_too_of_each_thread) {
  const CollapsedFile file = record_calls({}, {"--threads"});
  expect_calls(file);
  for (const auto& line : file.lines) {
    ASSERT_FALSE(line.frames.empty());
    EXPECT_THAT(line.frames.front(), testing::StartsWith("thread: "));
  }
  // Each in a thread of its own.
  EXPECT_EQ(share_of(file, {";thread: Thread-0;", ";Calls.reader()V_["}), 0);
  EXPECT_EQ(share_of(file, {";thread: Thread-1;", ";Calls.burner()V_["}), 0);
  EXPECT_EQ(share_of(file, {";thread: Thread-2;", ";Calls.burner()V_["}), 0);
  EXPECT_GT(share_of(file, {";thread: Thread-1;", ";Calls.reader()V_["}), 0.1);
}

INSTANTIATE_TEST_SUITE_P(Version, JavaMatch, testing::Values(JAVA_VERSIONS),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace waggle
