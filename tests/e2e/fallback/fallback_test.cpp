// SPDX-License-Identifier: Apache-2.0
// `waggle record` where perf takes the samples, on programs of known shape (tests/programs).
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;
using Words = std::vector<std::string>;

const Words kFallback = {"record", "--engine", "fallback", "-o", "-"};
const Words kWithoutBtf = {"unshare", "--mount", "sh", "-c",
                           "mount -t tmpfs none /sys/kernel/btf && exec \"$0\" \"$@\""};
const Words kWithoutBpf = {"setpriv", "--bounding-set=-bpf,-sys_admin",
                           "--inh-caps=-bpf,-sys_admin"};

CollapsedFile record(Words arguments, const Words& more, const Words& wrapper = {}) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  const WaggleResult result = run_waggle(arguments, wrapper);
  EXPECT_EQ(result.status, 0) << result.err;
  return result.status == 0 ? CollapsedFile::parse(result.out) : CollapsedFile();
}

std::string pid_of(const TestProgram& program) {
  return std::to_string(program.pid());
}

// A program that gets the CPU beside busy others, so that there are samples enough; two of them
// leave enough for waggle.
Words ahead(Words command) {
  command.insert(command.begin(), {"nice", "-n", "-5"});
  return command;
}

// Until perf samples the program and has for two seconds: there is no event to wait for.
void let_perf_record(const TestProgram& program) {
  const std::string wanted = "--pid=" + pid_of(program);
  for (int i = 0; i < 1000; ++i) {
    std::error_code gone;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", gone)) {
      const auto words = read_file(entry.path() / "cmdline", 65536);
      if (words && words->find(wanted) != std::string::npos) {
        ::sleep(2);
        return;
      }
    }
    ::usleep(10'000);
  }
  FAIL() << "no perf for " << pid_of(program);
}

// ";main;recurse;...;recurse;burn" with `depth` calls of recurse.
std::string recursion_stack(int depth) {
  std::string stack = ";main";
  for (int i = 0; i < depth; ++i) {
    stack += ";recurse";
  }
  return stack + ";burn";
}

TEST(Fallback, shows_every_call) {
  const TestProgram program(ahead({RECURSION, "10"}));
  const CollapsedFile file = record(kFallback, {"-d", "3", "-F", "199", "-p", pid_of(program)});
  ASSERT_GT(file.total(), 50U);
  EXPECT_TRUE(file.adds_up());
  EXPECT_GE(file.share_of("recursion", recursion_stack(10)), 0.98) << file.text_of("recursion");
  const auto& header = file.header["waggle"];
  EXPECT_EQ(header["engine"], "fallback");
  EXPECT_EQ(header["engine_reason"], "--engine fallback");
  EXPECT_EQ(header["tools"]["perf"], "ok");
  EXPECT_EQ(header["frequency"], 199);
  EXPECT_FALSE(header["event"].get<std::string>().empty());
  EXPECT_NEAR(header["duration_s"].get<double>(), 3.0, 0.3);
}

TEST(Fallback, walks_code_without_frame_pointers_by_dwarf) {
  const TestProgram program(ahead({RECURSION_NO_FP, "10"}));
  const Words target = {"-d", "1", "-F", "99", "-p", pid_of(program)};
  Words by_dwarf = target;
  by_dwarf.insert(by_dwarf.end(), {"--perf-mode", "dwarf"});
  const CollapsedFile dwarf = record(kFallback, by_dwarf);
  ASSERT_GT(dwarf.total(), 30U);
  EXPECT_GE(dwarf.share_of("recursion_no_fp", recursion_stack(10)), 0.9)
      << dwarf.text_of("recursion_no_fp");
  const CollapsedFile fp = record(kFallback, target);
  EXPECT_EQ(fp.count_of("recursion_no_fp", recursion_stack(10)), 0U);
}

// Each process by the walk that tells more of it, as many samples as perf took by frame pointers.
TEST(Fallback, takes_for_each_process_the_deeper_stacks_in_smart_mode) {
  const TestProgram without(ahead({RECURSION_NO_FP, "10"}));
  const TestProgram with(ahead({RECURSION, "100"}));  // deeper than the copied part of its stack
  const CollapsedFile file =
      record(kFallback, {"-d", "3", "-F", "99", "--perf-mode", "smart", "--perf-dwarf-stack-size",
                         "1024", "-p", pid_of(without) + "," + pid_of(with)});
  ASSERT_GT(file.total(), 20U);  // they share the CPUs with others
  EXPECT_TRUE(file.adds_up());
  EXPECT_GE(file.share_of("recursion", recursion_stack(100)), 0.9) << file.text_of("recursion");
  EXPECT_GE(file.share_of("recursion_no_fp", recursion_stack(10)), 0.9)
      << file.text_of("recursion_no_fp");
  const auto& header = file.header["waggle"];
  EXPECT_EQ(header["tools"]["perf"], "ok");
  EXPECT_EQ(header["tools"]["perf (dwarf)"], "ok");
  EXPECT_EQ(header["samples"], file.total());
}

// 3,000 samples of each and more: a share of 60 % has a standard deviation of 0.9 points.
TEST(Fallback, agrees_with_ebpf_on_the_shares_of_functions) {
  const TestProgram program(ahead({SHARES}));
  const Words target = {"-d", "8", "-F", "999", "-p", pid_of(program)};
  const CollapsedFile ebpf = record({"record", "--engine", "ebpf", "-o", "-"}, target);
  const CollapsedFile fallback = record(kFallback, target);
  ASSERT_GT(ebpf.total(), 3000U);
  ASSERT_GT(fallback.total(), 3000U);
  for (const std::string name :
       {";main;sixty_percent", ";main;thirty_percent", ";main;ten_percent"}) {
    EXPECT_NEAR(100 * fallback.share_of("shares", name), 100 * ebpf.share_of("shares", name), 3.0)
        << name;
    EXPECT_GT(fallback.share_of("shares", name), 0.05);
  }
}

TEST(Fallback, samples_the_whole_host_as_long_as_ebpf_does) {
  const TestProgram first(ahead({RECURSION, "20"}));
  const TestProgram second(ahead({SHARES}));
  const CollapsedFile file = record(kFallback, {"-d", "2"});
  EXPECT_TRUE(file.adds_up());
  EXPECT_GT(file.count_of("recursion", recursion_stack(20)), 0U);
  EXPECT_GT(file.count_of("shares", ";main;sixty_percent"), 0U);
  EXPECT_EQ(file.count_of("swapper"), 0U);
  EXPECT_EQ(file.count_of("perf"), 0U) << "our own work is not the host's";
}

TEST(Fallback, samples_the_chosen_process_alone) {
  const TestProgram chosen(ahead({SHARES}));
  const TestProgram other(ahead({RECURSION, "5"}));
  const CollapsedFile file = record(kFallback, {"-d", "1", "-p", pid_of(chosen)});
  EXPECT_GT(file.total(), 0U);
  EXPECT_EQ(file.count_of("shares"), file.total());
}

TEST(Fallback, follows_children_of_a_pid_only_when_asked) {
  const TestProgram family(ahead({FAMILY, "1000", "20"}));
  const Words target = {"-d", "3", "-p", pid_of(family)};
  Words arguments = kFallback;
  arguments.insert(arguments.end(), target.begin(), target.end());
  const WaggleResult without = run_waggle(arguments);
  const CollapsedFile alone =
      without.status == 0 ? CollapsedFile::parse(without.out) : CollapsedFile();
  EXPECT_EQ(alone.count_of("family", ";burn_in_child"), 0U);
  Words with_children = target;
  with_children.emplace_back("--children");
  EXPECT_GT(record(kFallback, with_children).count_of("family", ";burn_in_child"), 20U);
}

TEST(Fallback, gives_all_threads_the_name_of_their_process) {
  const TestProgram program(ahead({THREADS}));
  const CollapsedFile file = record(kFallback, {"-d", "1", "-p", pid_of(program)});
  EXPECT_GT(file.total(), 0U);
  EXPECT_EQ(file.count_of("threads"), file.total());
  EXPECT_EQ(file.count_of("threads", "thread: "), 0U);
}

TEST(Fallback, tells_threads_apart_by_name) {
  const TestProgram program(ahead({THREADS}));
  const CollapsedFile file =
      record(kFallback, {"-d", "1", "-F", "199", "--threads", "-p", pid_of(program)});
  EXPECT_GT(file.count_of("threads", ";thread: first-worker"), 0U);
  EXPECT_GT(file.count_of("threads", ";thread: second worker"), 0U);
  EXPECT_EQ(file.count_of("threads", ";thread: first-worker"),
            file.count_of("threads", ";burn_in_first"));
}

TEST(Fallback, runs_a_command_and_all_that_it_starts) {
  const WaggleResult result = run_waggle(
      {"record", "--engine", "fallback", "-F", "499", "-o", "-", "--", FAMILY, "12", "50"});
  ASSERT_EQ(result.status, 0) << result.err;
  // The command's own output comes first, then the profile.
  ASSERT_THAT(result.out, StartsWith("ready\n"));
  const CollapsedFile file = CollapsedFile::parse(result.out.substr(6));
  EXPECT_EQ(file.header["waggle"]["command_status"], 0);
  EXPECT_TRUE(file.adds_up());
  EXPECT_EQ(file.count_of("family"), file.total());
  EXPECT_GE(file.share_of("family", ";main;burn_in_child;burn"), 0.95) << file.text_of("family");
}

TEST(Fallback, names_processes_that_live_for_10_ms_after_an_exec) {
  const WaggleResult result = run_waggle(
      {"record", "--engine", "fallback", "-F", "999", "-o", "-", "--", FAMILY, "40", "10", "exec"});
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out.substr(6));
  EXPECT_GT(file.count_of("exe", ";main;burn_after_exec;burn"), 100U) << file.text_of("exe");
  EXPECT_LE(file.count_of("[unknown]"), file.total() / 100);
}

// Names are the process' own to choose: perf is not asked for them.
TEST(Fallback, is_not_misled_by_a_process_name_that_looks_like_a_sample) {
  const std::string name = "a\\n\\n 1/1 1.0: c:";  // 15 bytes
  const TestProgram program(ahead({"python3", "-c",
                                   "import ctypes\nctypes.CDLL(None).prctl(15, b'" + name +
                                       "')\nprint('ready', flush=True)\nwhile True: pass"}));
  const CollapsedFile file =
      record(kFallback, {"-d", "2", "-F", "199", "--no-python", "-p", pid_of(program)});
  EXPECT_GT(file.total(), 0U);
  EXPECT_EQ(file.count_of("a?? 1/1 1.0: c:"), file.total());
  EXPECT_TRUE(file.adds_up());
  EXPECT_EQ(file.header["waggle"]["tools"]["perf"], "ok");
}

TEST(Fallback, writes_a_page_and_a_profile) {
  const TestProgram program(ahead({SHARES}));
  WaggleRun run({"record", "--engine", "fallback", "-d", "1", "-p", pid_of(program), "-o", "a.html",
                 "-o", "b.col"});
  const WaggleResult result = run.wait();
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, testing::IsEmpty());
  EXPECT_THAT(read_file(run.directory() + "/a.html", 1 << 24).value(), HasSubstr("<html"));
  EXPECT_THAT(read_file(run.directory() + "/b.col", 1 << 24).value(), StartsWith("# {"));
  EXPECT_THAT(result.err, AllOf(HasSubstr("sampling with perf "), HasSubstr("b.col\n")));
}

// The frame that is met most: recurse's call of itself.
std::string most_frequent_frame(const CollapsedFile& file, std::string_view comm) {
  std::map<std::string, std::uint64_t> counts;
  for (const CollapsedFile::Line& line : file.lines) {
    for (const std::string& frame : line.frames) {
      counts[frame] += line.comm == comm ? line.count : 0;
    }
  }
  const auto most =
      std::ranges::max_element(counts, {}, [](const auto& entry) { return entry.second; });
  return most == counts.end() ? "" : most->first;
}

TEST(Fallback, shows_functions_without_a_name_as_ebpf_does) {
  const TestProgram program(ahead({RECURSION_STRIPPED, "20"}));
  const Words target = {"-d", "1", "-F", "199", "-p", pid_of(program)};
  const std::string comm = "recursion_strip";  // 15 bytes
  const std::string fallback = most_frequent_frame(record(kFallback, target), comm);
  EXPECT_THAT(fallback, StartsWith("(recursion_stripped+0x"));
  EXPECT_EQ(fallback,
            most_frequent_frame(record({"record", "--engine", "ebpf", "-o", "-"}, target), comm));
}

TEST(Fallback, names_the_functions_of_a_file_that_was_deleted_and_replaced) {
  const TempDir dir;
  const std::string path = dir.path() + "/recursion";
  std::filesystem::copy_file(RECURSION, path);
  const TestProgram program(ahead({path, "10"}));
  std::filesystem::remove(path);
  std::filesystem::copy_file(SHARES, path);
  const CollapsedFile file = record(kFallback, {"-d", "1", "-F", "199", "-p", pid_of(program)});
  ASSERT_GT(file.total(), 50U);
  EXPECT_GE(file.share_of("recursion", recursion_stack(10)), 0.98) << file.text_of("recursion");
}

class FallbackStopped : public testing::TestWithParam<int> {};

TEST_P(FallbackStopped, writes_what_it_has) {
  const TestProgram program(ahead({SHARES}));
  WaggleRun run(
      {"record", "--engine", "fallback", "-d", "60", "-p", pid_of(program), "-o", "x.col"});
  let_perf_record(program);
  ASSERT_EQ(::kill(run.pid(), GetParam()), 0);
  const WaggleResult result = run.wait();
  EXPECT_EQ(result.status, 0) << result.err;
  const CollapsedFile file =
      CollapsedFile::parse(read_file(run.directory() + "/x.col", 1 << 24).value());
  EXPECT_GT(file.count_of("shares", ";main;sixty_percent"), 0U);
}

INSTANTIATE_TEST_SUITE_P(Signals, FallbackStopped, testing::Values(SIGINT, SIGTERM));

TEST(Fallback, ends_with_the_last_recorded_process) {
  auto program = std::make_unique<TestProgram>(ahead({SHARES}));
  WaggleRun run(
      {"record", "--engine", "fallback", "-d", "60", "-p", pid_of(*program), "-o", "x.col"});
  let_perf_record(*program);
  program.reset();
  const WaggleResult result = run.wait();
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_LT(result.took.count(), 20.0);
  EXPECT_THAT(result.err, HasSubstr("all recorded processes have ended"));
}

TEST(Fallback, shows_the_file_of_native_functions_where_that_is_asked_for) {
  const TestProgram program(ahead({SHARES}));
  const CollapsedFile file =
      record(kFallback, {"-d", "2", "-F", "99", "--insert-dso-name", "-p", pid_of(program)});
  EXPECT_GT(file.count_of("shares", fmt::format(";sixty_percent ({})", SHARES)), 0U)
      << file.text_of("shares");
}

TEST(Fallback, takes_the_data_in_segments_and_misses_nothing_between_them) {
  const TestProgram program(ahead({SHARES}));
  const CollapsedFile file = record(kFallback, {"-d", "13", "-F", "199", "-p", pid_of(program)});
  EXPECT_TRUE(file.adds_up());
  const double cpu_seconds = static_cast<double>(file.total()) / 199;
  const double duration = file.header["waggle"]["duration_s"].get<double>();
  EXPECT_GT(cpu_seconds, 0.1 * duration);
  EXPECT_LT(cpu_seconds, 1.05 * duration) << "nothing counts twice";
  EXPECT_GT(file.share_of("shares", ";main;"), 0.98);
}

TEST(WithoutBtf, perf_records_by_itself_and_the_header_names_btf) {
  const TestProgram program(ahead({RECURSION, "10"}));
  const CollapsedFile file =
      record({"record", "-o", "-"}, {"-d", "1", "-F", "199", "-p", pid_of(program)}, kWithoutBtf);
  EXPECT_EQ(file.header["waggle"]["engine"], "fallback");
  EXPECT_THAT(file.header["waggle"]["engine_reason"].get<std::string>(), HasSubstr("BTF"));
  EXPECT_GE(file.share_of("recursion", recursion_stack(10)), 0.98);
}

TEST(WithoutBtf, ebpf_that_is_asked_for_is_an_error_that_names_btf) {
  const WaggleResult result =
      run_waggle({"record", "-d", "1", "--engine", "ebpf", "-o", "-"}, kWithoutBtf);
  EXPECT_EQ(result.status, 3);
  EXPECT_THAT(result.err, AllOf(HasSubstr("BTF is missing"), HasSubstr("CONFIG_DEBUG_INFO_BTF")));
}

TEST(WithoutBpf, perf_records_by_itself_and_the_header_names_what_is_missing) {
  const TestProgram program(ahead({RECURSION, "10"}));
  const CollapsedFile file =
      record({"record", "-o", "-"}, {"-d", "1", "-F", "199", "-p", pid_of(program)}, kWithoutBpf);
  EXPECT_EQ(file.header["waggle"]["engine"], "fallback");
  EXPECT_THAT(file.header["waggle"]["engine_reason"].get<std::string>(), HasSubstr("CAP_BPF"));
  EXPECT_GE(file.share_of("recursion", recursion_stack(10)), 0.98);
}

}  // namespace
}  // namespace waggle
