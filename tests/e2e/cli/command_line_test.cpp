// SPDX-License-Identifier: Apache-2.0
// What a wrong command line meets: one line, exit 2, at once, and nothing else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "tests/e2e/cli/waggle_run.h"

namespace waggle {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;
using Words = std::vector<std::string>;

struct UsageError {
  Words words;
  std::string message;
};

class CommandLine : public testing::TestWithParam<UsageError> {};

TEST_P(CommandLine, that_is_wrong_ends_in_one_line_and_status_2) {
  const auto& [words, message] = GetParam();
  const WaggleRun run = run_waggle(words);
  EXPECT_EQ(run.status, 2);
  EXPECT_EQ(run.out, "");
  EXPECT_EQ(run.err, message + "\n");
  EXPECT_THAT(run.files, IsEmpty());
  EXPECT_LT(run.taken, 2s);
}

INSTANTIATE_TEST_SUITE_P(
    Record, CommandLine,
    testing::Values(
        UsageError{{"record", "-F", "0"},
                   "waggle record: --frequency: \"0\" is out of range (1 to 10,000)"},
        UsageError{{"record", "-F", "10001"},
                   "waggle record: --frequency: \"10001\" is out of range (1 to 10,000)"},
        UsageError{{"record", "-d", "0"},
                   "waggle record: --duration: \"0\" is out of range (1 to 2,147,483,647)"},
        UsageError{{"record", "-d", "-1"},
                   "waggle record: --duration: \"-1\" is out of range (1 to 2,147,483,647)"},
        UsageError{{"record", "-d", "ten"},
                   "waggle record: --duration: \"ten\" is not a whole number (1 to 2,147,483,647)"},
        UsageError{{"record", "-d"},
                   "waggle record: --duration: needs a value (--duration SECONDS)"},
        UsageError{{"record", "-p", "1,x"},
                   "waggle record: --pids: \"x\" is not a whole number (1 to 2,147,483,647)"},
        UsageError{{"record", "-p", "1", "--", "true"},
                   "waggle record: --pids: cannot go with a command after \"--\""},
        UsageError{{"record", "--children"}, "waggle record: --children: needs --pids"},
        UsageError{{"record", "--"}, "waggle record: \"--\": a command must follow"},
        UsageError{{"record", "--bogus"},
                   "waggle record: unknown option \"--bogus\" (see 'waggle record --help')"},
        UsageError{{"record", "--freq", "9"},
                   "waggle record: unknown option \"--freq\" (see 'waggle record --help')"},
        UsageError{{"record", "--output-dir", "x"}, "waggle record: --output-dir: not built yet"},
        UsageError{{"record", "stray"},
                   "waggle record: stray argument \"stray\" (a command goes after \"--\")"},
        UsageError{{"record", "-o", "a.txt"},
                   "waggle record: --output: \"a.txt\" must end in .html or .col"},
        UsageError{{"record", "-o", "a.html", "-f", "col"},
                   "waggle record: --format: col is against the ending of \"a.html\""},
        UsageError{{"record", "-f", "99"},
                   "waggle record: --format: \"99\" is none of html, col (the rate is -F)"},
        UsageError{
            {"record", "--perf-mode", "turbo"},
            "waggle record: --perf-mode: \"turbo\" is none of fp, dwarf, smart, disabled, none"},
        UsageError{{"record", "--mode", "none"},
                   "waggle record: --mode: none leaves no profiler to record with"},
        UsageError{{"record", "--mode", "allocation", "--alloc-interval", "lots"},
                   "waggle record: --alloc-interval: \"lots\" is no size (512kb, 2mb, 1gb)"},
        UsageError{{"record", "--engine", "magic"},
                   "waggle record: --engine: \"magic\" is none of auto, ebpf, fallback"}));

INSTANTIATE_TEST_SUITE_P(
    Verb, CommandLine,
    testing::Values(
        UsageError{{"agent"},
                   "waggle agent: Must pass at least one output method (--upload-results / "
                   "--output-dir)"},
        UsageError{{"-d", "x"},
                   "waggle agent: --duration: \"x\" is not a whole number (1 to 86,400)"},
        UsageError{{"--token=secret"}, "waggle agent: --token: not built yet"},
        UsageError{{"upload-file"},
                   "waggle: the verb \"upload-file\" is not built yet (see 'waggle --help')"},
        UsageError{{"frobnicate"}, "waggle: unknown verb \"frobnicate\" (see 'waggle --help')"},
        UsageError{{"\x1b[2J\n"}, "waggle: unknown verb \"?[2J?\" (see 'waggle --help')"},
        UsageError{{"dump"}, "waggle dump: --pids: of which process? (--pids PID)"},
        UsageError{{"dump", "-p"}, "waggle dump: --pids: needs a value (--pids PID)"},
        UsageError{{"dump", "-p", "1", "-p", "2"}, "waggle dump: --pids: one process at a time"},
        UsageError{{"dump", "-p", "x"},
                   "waggle dump: --pids: \"x\" is not a whole number (1 to 2,147,483,647)"},
        UsageError{{"dump", "-p", "0"},
                   "waggle dump: --pids: \"0\" is out of range (1 to 2,147,483,647)"},
        UsageError{{"dump", "1"}, "waggle dump: stray argument \"1\""},
        UsageError{{"doctor", "now"}, "waggle doctor: stray argument \"now\""},
        UsageError{{"doctor", "--", "ls"}, "waggle doctor: \"--\": doctor takes no command"},
        UsageError{{"doctor", "--yaml"},
                   "waggle doctor: unknown option \"--yaml\" (see 'waggle doctor --help')"}));

TEST(Program, called_as_gprofiler_is_the_agent) {
  const TempDir dir;
  const std::string link = dir.path() + "/gprofiler";
  std::filesystem::create_symlink(WAGGLE, link);
  const WaggleRun help = run_words({link, "--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.out, StartsWith("Usage: waggle agent "));
  const WaggleRun run = run_words({link, "-c", "-o", "x", "-f", "0"});
  EXPECT_EQ(run.status, 2);
  EXPECT_EQ(run.out, "");
  EXPECT_EQ(run.err, "waggle agent: --frequency: \"0\" is out of range (1 to 10,000)\n");
}

TEST(Program, without_a_verb_shows_its_verbs_on_stderr) {
  const WaggleRun run = run_waggle({});
  EXPECT_EQ(run.status, 2);
  EXPECT_EQ(run.out, "");
  EXPECT_THAT(run.err, HasSubstr("Verbs:\n"));
}

TEST(Help, is_on_stdout_within_eighty_columns) {
  for (const Words& words :
       {Words{"--help"}, Words{"record", "--help"}, Words{"doctor", "-h"}, Words{"dump", "--help"},
        Words{"agent", "--help"}, Words{"top", "--help"}, Words{"record", "-d", "3", "--help"}}) {
    const WaggleRun run = run_waggle(words);
    EXPECT_EQ(run.status, 0);
    EXPECT_EQ(run.err, "");
    EXPECT_THAT(run.out, StartsWith("Usage: waggle "));
    EXPECT_GT(line_count(run.out), 8);
    for (const std::string_view line : split(run.out, '\n')) {
      EXPECT_LE(line.size(), 80U) << line;
    }
  }
}

TEST(Help, names_no_verb_that_is_not_there) {
  const WaggleRun run = run_waggle({"--help"});
  for (const auto* verb : {"record", "agent", "top", "dump", "doctor"}) {
    EXPECT_THAT(run.out, HasSubstr(std::string("\n  ") + verb + " "));
  }
  for (const auto* verb : {"convert ", "upload"}) {
    EXPECT_THAT(run.out, testing::Not(HasSubstr(verb)));
  }
}

TEST(Version, is_one_line_and_more_with_verbose) {
  const WaggleRun run = run_waggle({"--version"});
  EXPECT_EQ(run.status, 0);
  EXPECT_THAT(run.out, testing::MatchesRegex("waggle [0-9]+\\.[0-9]+\\.[0-9]+\n"));
  const WaggleRun verbose = run_waggle({"--version", "--verbose"});
  EXPECT_EQ(verbose.status, 0);
  EXPECT_THAT(verbose.out, StartsWith(run.out));
  for (const auto* key : {"\nrevision ", "\ncompiler ", "\nlibbpf ", "\nkernel "}) {
    EXPECT_THAT(verbose.out, HasSubstr(key));
  }
}

TEST(Program, needs_nothing_but_libc) {
  const auto run =
      run_tool(Words{"/usr/bin/ldd", WAGGLE}, {.deadline = 20s, .output_bytes = 65536});
  ASSERT_TRUE(run) << run.error().what;
  for (const std::string_view line : split(run->output, '\n')) {
    const bool is_allowed = line.empty() || line.find("linux-vdso.so") != line.npos ||
                            line.find("libc.so.6") != line.npos ||
                            line.find("libm.so.6") != line.npos ||
                            line.find("ld-linux") != line.npos;
    EXPECT_TRUE(is_allowed) << line;
  }
}

}  // namespace
}  // namespace waggle
