// SPDX-License-Identifier: Apache-2.0
// Names of code that is in no file: JIT compilers' /tmp/perf-PID.map.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/e2e/names/names.h"

namespace waggle {
namespace {

constexpr const char* kNamed = ";main;call_generated;generated_loop";

// Removes the map that the program wrote.
class GeneratingProgram {
 public:
  explicit GeneratingProgram(const Words& arguments) : program_(arguments) {}
  GeneratingProgram(const GeneratingProgram&) = delete;
  GeneratingProgram& operator=(const GeneratingProgram&) = delete;
  ~GeneratingProgram() { std::filesystem::remove(map_path()); }

  [[nodiscard]] pid_t pid() const { return program_.pid(); }
  [[nodiscard]] std::string map_path() const {
    return "/tmp/perf-" + std::to_string(pid()) + ".map";
  }

 private:
  TestProgram program_;
};

struct Kind {
  std::string name;
  std::string nameless;  // what its frames look like without a map
};

class GeneratedCode : public testing::TestWithParam<Kind> {};

TEST_P(GeneratedCode, is_named_by_the_perf_map) {
  const GeneratingProgram running({program("jit"), GetParam().name});
  const CollapsedFile file = record_pid(running.pid());
  ASSERT_GT(file.count_of("jit"), 50U);
  EXPECT_GE(file.share_of("jit", kNamed), 0.98) << file.text_of("jit");
}

TEST_P(GeneratedCode, shows_its_place_without_a_perf_map) {
  const GeneratingProgram running({program("jit"), GetParam().name});
  std::filesystem::remove(running.map_path());
  const CollapsedFile file = record_pid(running.pid());
  ASSERT_GT(file.count_of("jit"), 50U);
  EXPECT_GE(file.share_of("jit", ";call_generated;(" + GetParam().nameless + "+0x"), 0.98)
      << file.text_of("jit");
}

INSTANTIATE_TEST_SUITE_P(Kinds, GeneratedCode,
                         testing::Values(Kind{"anon", "[anon]"}, Kind{"memfd", "memfd:code"},
                                         Kind{"zero", "zero"}),
                         [](const auto& kind) { return kind.param.name; });

TEST(GeneratedCodeLater, has_its_name_from_when_the_map_is_written) {
  const GeneratingProgram running({program("jit"), "anon", "1500"});
  const CollapsedFile file = record({"-d", "4", "-F", "199", "-p", std::to_string(running.pid())});
  // 1.5 s without, less what the start took; then up to a second until the map is looked for again.
  EXPECT_GT(file.share_of("jit", "([anon]+0x"), 0.1) << file.text_of("jit");
  EXPECT_GT(file.share_of("jit", kNamed), 0.2) << file.text_of("jit");
}

TEST(GeneratedCodeElsewhere, is_named_in_another_root_and_pid_namespace) {
  const TempDir root;
  std::filesystem::create_directory(root.path() + "/tmp");
  std::filesystem::copy_file(program("jit_static"), root.path() + "/jit_elsewhere");
  const TestProgram running({"unshare", "--mount", "--pid", "--fork", "--kill-child",
                             "--root=" + root.path(), "/jit_elsewhere"});
  ASSERT_TRUE(std::filesystem::exists(root.path() + "/tmp/perf-1.map"));
  const CollapsedFile file = record({"-d", "1", "-F", "199"});
  ASSERT_GT(file.count_of("jit_elsewhere"), 30U);
  EXPECT_GE(file.share_of("jit_elsewhere", kNamed), 0.98) << file.text_of("jit_elsewhere");
}

}  // namespace
}  // namespace waggle
