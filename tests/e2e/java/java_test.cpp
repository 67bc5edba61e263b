// SPDX-License-Identifier: Apache-2.0
// async-profiler in real Java virtual machines, of the versions that are here.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/fallback/stand_in.h"
#include "tests/e2e/java/java_programs.h"
#include "tests/e2e/java/java_run.h"
#include "tests/process_facts.h"
#include "tests/test_cgroup.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"
#include "userspace/tools/async_profiler/jvm.h"
#include "userspace/tools/async_profiler/recording.h"

namespace waggle {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

class Java : public JavaOfVersion {
 protected:
  [[nodiscard]] static std::vector<std::string> command(std::vector<std::string> options = {}) {
    return java_command(GetParam(), std::move(options));
  }
};

TEST_P(Java, has_its_methods_scaled_to_what_the_kernel_counted) {
  const TestProgram program(command());
  const WaggleResult result = run_waggle(record(program.pid(), {"-d", "4"}));
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_EQ(file.header["waggle"]["engine"], "ebpf");
  EXPECT_EQ(tool_state(file), "ok") << result.err;
  EXPECT_EQ(file.header["waggle"]["added"], 0);
  expect_shares(file);
  // Nothing is left but what cannot be unloaded.
  EXPECT_FALSE(is_being_sampled(program.pid()));
  const auto libraries = mapped_profilers(program.pid());
  ASSERT_THAT(libraries, SizeIs(1));
  EXPECT_THAT(libraries[0], StartsWith("/tmp/waggle-"));
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::path(libraries[0]).parent_path()));
  EXPECT_FALSE(std::filesystem::exists(fmt::format("/tmp/.attach_pid{}", program.pid())));
}

TEST_P(Java, has_its_methods_in_the_fallback_engine_too) {
  const TestProgram program(command());
  const WaggleResult result =
      run_waggle(record(program.pid(), {"-d", "4", "--engine", "fallback"}));
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_EQ(file.header["waggle"]["engine"], "fallback");
  EXPECT_EQ(tool_state(file), "ok") << result.err;
  expect_shares(file);
}

TEST_P(Java, survives_ten_recordings_with_one_library) {
  const TestProgram program(command());
  for (int i = 0; i < 10; ++i) {
    const WaggleResult result = run_waggle(record(program.pid(), {"-d", "1"}));
    ASSERT_EQ(result.status, 0) << result.err;
    const CollapsedFile file = CollapsedFile::parse(result.out);
    EXPECT_EQ(tool_state(file), "ok") << result.err;
    EXPECT_GT(file.count_of("java", ";Shares.work()V_"), 0U) << file.text_of("java");
  }
  EXPECT_TRUE(is_running(program.pid()));
  EXPECT_THAT(mapped_profilers(program.pid()), SizeIs(1));
}

TEST_P(Java, is_left_in_peace_soon_after_waggle_was_killed_and_can_be_recorded_again) {
  const TestProgram program(command());
  {
    WaggleRun run(record(program.pid(), {"-d", "2"}));
    ASSERT_TRUE(wait_until([&] { return is_being_sampled(program.pid()); }, seconds(20)));
    ASSERT_EQ(::kill(run.pid(), SIGKILL), 0);
    (void)run.wait();
  }
  EXPECT_TRUE(is_being_sampled(program.pid()));
  // Two seconds and half a minute.
  EXPECT_TRUE(wait_until([&] { return !is_being_sampled(program.pid()); }, seconds(45)));
  EXPECT_TRUE(is_running(program.pid()));

  {
    WaggleRun run(record(program.pid(), {"-d", "2"}));
    ASSERT_TRUE(wait_until([&] { return is_being_sampled(program.pid()); }, seconds(20)));
    ASSERT_EQ(::kill(run.pid(), SIGKILL), 0);
    (void)run.wait();
  }
  // The next takes over what that one has left running.
  const WaggleResult result = run_waggle(record(program.pid(), {"-d", "3"}));
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_EQ(tool_state(file), "ok") << result.err;
  expect_shares(file);
  const auto libraries = mapped_profilers(program.pid());
  ASSERT_THAT(libraries, SizeIs(1));
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::path(libraries[0]).parent_path()));
}

TEST_P(Java, of_another_user_is_attached_to_as_that_user) {
  std::vector<std::string> words = {"setpriv", "--reuid", "4242",
                                    "--regid", "4243",    "--clear-groups"};
  std::ranges::move(command(), std::back_inserter(words));
  const TestProgram program(words);
  const WaggleResult result = run_waggle(record(program.pid(), {"-d", "4"}));
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_EQ(tool_state(file), "ok") << result.err;
  expect_shares(file);
}

// The only child of a process.
pid_t child_of(pid_t parent) {
  std::ifstream children(fmt::format("/proc/{0}/task/{0}/children", parent));
  pid_t child = 0;
  children >> child;
  return child;
}

TEST_P(Java, in_namespaces_of_its_own_and_a_tmp_that_forbids_programs_is_served_elsewhere) {
  std::string script =
      "mount -t tmpfs -o noexec,mode=1777 none /tmp && exec unshare --pid --fork --mount-proc ";
  // The classes are in the /tmp that is hidden.
  const TempDir elsewhere;
  const std::string classes =
      "/var/tmp/" + std::filesystem::path(elsewhere.path()).filename().string();
  std::filesystem::copy(java_classes(), classes, std::filesystem::copy_options::recursive);
  script += find_java(GetParam()) + " -cp " + classes + " Shares";
  const TestProgram program({"unshare", "--mount", "sh", "-c", script});
  const pid_t java = child_of(program.pid());
  ASSERT_GT(java, 0);
  const WaggleResult result = run_waggle(record(java, {"-d", "4"}));
  const auto libraries = mapped_profilers(java);
  (void)::kill(java, SIGKILL);
  std::filesystem::remove_all(classes);
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_EQ(tool_state(file), "ok") << result.err;
  expect_shares(file);
  ASSERT_THAT(libraries, SizeIs(1));
  EXPECT_THAT(libraries[0], StartsWith("/run/waggle-"));
}

TEST_P(Java, has_native_frames_and_a_reason_where_its_tmp_is_read_only) {
  const std::string classes = "/var/tmp/waggle-test-java-" + std::to_string(::getpid());
  std::filesystem::copy(java_classes(), classes, std::filesystem::copy_options::recursive);
  const TestProgram program({"unshare", "--mount", "sh", "-c",
                             "mount -t tmpfs -o ro none /tmp && exec " + find_java(GetParam()) +
                                 " -cp " + classes + " Shares"});
  const WaggleResult result = run_waggle(record(program.pid(), {"-d", "2"}));
  std::filesystem::remove_all(classes);
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_THAT(tool_state(file), HasSubstr("Read-only file system"));
  EXPECT_THAT(file.text_of("java"), HasSubstr(";[Profiling error: "));
  EXPECT_TRUE(file.adds_up());
  EXPECT_TRUE(is_running(program.pid()));
}

TEST_P(Java, that_refuses_is_not_sent_what_would_end_it) {
  for (const char* option : {"-Xrs", "-XX:+DisableAttachMechanism"}) {
    const TestProgram program(command({option}));
    std::this_thread::sleep_for(seconds(5));  // one that has just begun is waited for
    const WaggleResult result = run_waggle(record(program.pid(), {"-d", "1"}));
    ASSERT_EQ(result.status, 0) << result.err;
    const CollapsedFile file = CollapsedFile::parse(result.out);
    EXPECT_THAT(file.text_of("java"), HasSubstr(";[Profiling skipped: this JVM "));
    EXPECT_THAT(file.header["waggle"]["excluded"].dump(), HasSubstr(option + 1));
    EXPECT_TRUE(file.adds_up());
    EXPECT_TRUE(is_running(program.pid()));
  }
}

TEST_P(Java, that_still_starts_at_the_end_is_told_of) {
  const TestProgram program(command({"-Xrs"}));
  const WaggleResult result = run_waggle(record(program.pid(), {"-d", "1"}));
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_THAT(file.text_of("java"), HasSubstr(";[Profiling skipped: this JVM does not handle"));
  EXPECT_THAT(file.header["waggle"]["excluded"].dump(), HasSubstr("Xrs"));
  EXPECT_TRUE(is_running(program.pid()));
}

TEST_P(Java, that_does_not_answer_does_not_hold_the_recording) {
  const TestProgram silent(command());
  const TestProgram other(command());
  ASSERT_EQ(::kill(silent.pid(), SIGSTOP), 0);
  const WaggleResult result =
      run_waggle(record(other.pid(), {"-d", "3", "-p", std::to_string(silent.pid())}));
  ASSERT_EQ(::kill(silent.pid(), SIGCONT), 0);
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_LT(result.took, seconds(3 + 10));
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_THAT(tool_state(file), HasSubstr("the JVM does not answer"));
  EXPECT_THAT(result.err, HasSubstr("the JVM does not answer"));
  EXPECT_THAT(file.text_of("java"), HasSubstr(";[Profiling error: the JVM does not answer] 1\n"));
  EXPECT_GT(share_of_work(file), 0.9);
  EXPECT_TRUE(file.adds_up());
}

TEST_P(Java, that_ends_meanwhile_keeps_its_methods) {
  const TestProgram program(command());
  WaggleRun run(record(program.pid(), {"-d", "20"}));
  ASSERT_TRUE(wait_until([&] { return is_being_sampled(program.pid()); }, seconds(20)));
  std::this_thread::sleep_for(seconds(2));
  ASSERT_EQ(::kill(program.pid(), SIGTERM), 0);
  const WaggleResult result = run.wait();
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_GT(share_of_work(file), 0.8) << file.text_of("java");
  EXPECT_EQ(tool_state(file), "ok") << result.err;
  EXPECT_TRUE(file.adds_up());
}

TEST_P(Java, that_is_killed_meanwhile_has_native_frames_and_the_reason) {
  const TestProgram program(command());
  WaggleRun run(record(program.pid(), {"-d", "5"}));
  ASSERT_TRUE(wait_until([&] { return is_being_sampled(program.pid()); }, seconds(20)));
  ASSERT_EQ(::kill(program.pid(), SIGKILL), 0);
  const WaggleResult result = run.wait();
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_THAT(tool_state(file), HasSubstr("process went down during profiling"));
  EXPECT_THAT(file.text_of("java"),
              HasSubstr(";[Profiling error: process went down during profiling];"));
  EXPECT_TRUE(file.adds_up());
}

TEST_P(Java, that_crashes_is_the_last_that_is_touched) {
  const TempDir folder;
  for (const bool is_named : {true, false}) {
    std::vector<std::string> words = {"env", "--chdir", folder.path()};
    std::ranges::move(command({"-XX:-CreateCoredumpOnCrash"}), std::back_inserter(words));
    if (is_named) {
      words.insert(words.end() - 3, "-XX:ErrorFile=" + folder.path() + "/crash_%p.log");
    }
    const TestProgram crashing(words);
    const TestProgram other(command());
    WaggleRun run(record(other.pid(), {"-d", "6", "-p", std::to_string(crashing.pid())}));
    ASSERT_TRUE(wait_until(
        [&] { return is_being_sampled(crashing.pid()) && is_being_sampled(other.pid()); },
        seconds(20)));
    std::this_thread::sleep_for(seconds(1));
    ASSERT_EQ(::kill(crashing.pid(), SIGBUS), 0);
    EXPECT_TRUE(wait_until([&] { return !is_being_sampled(other.pid()); }, milliseconds(3500)));
    const WaggleResult result = run.wait();
    ASSERT_EQ(result.status, 0) << result.err;
    EXPECT_THAT(result.err, HasSubstr("crashed while it was profiled (SIGBUS"));
    const CollapsedFile file = CollapsedFile::parse(result.out);
    EXPECT_THAT(file.text_of("java"),
                HasSubstr(";[Profiling error: process went down during profiling]"));
    EXPECT_GT(file.count_of("java", ";Shares.work()V_"), 0U);  // of the other, until then
    EXPECT_TRUE(file.adds_up());
    EXPECT_TRUE(is_running(other.pid()));
  }
}

TEST_P(Java, with_an_async_profiler_of_its_own_is_left_alone) {
  const TempDir folder;
  const TestProgram program(
      command({fmt::format("-agentpath:{}/libasyncProfiler.so=start,event=cpu,"
                           "collapsed,file={}/theirs",
                           async_profiler_directory(), folder.path())}));
  ASSERT_TRUE(is_being_sampled(program.pid()));
  const WaggleResult result = run_waggle(record(program.pid(), {"-d", "1"}));
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_THAT(file.text_of("java"),
              HasSubstr(";[Profiling skipped: async-profiler is already loaded]"));
  EXPECT_TRUE(is_being_sampled(program.pid()));
  EXPECT_TRUE(file.adds_up());
}

TEST_P(Java, that_another_waggle_records_is_left_to_it) {
  const TestProgram program(command());
  WaggleRun first(record(program.pid(), {"-d", "6"}));
  ASSERT_TRUE(wait_until([&] { return is_being_sampled(program.pid()); }, seconds(20)));
  const WaggleResult second = run_waggle(record(program.pid(), {"-d", "1"}));
  ASSERT_EQ(second.status, 0) << second.err;
  EXPECT_THAT(CollapsedFile::parse(second.out).text_of("java"),
              HasSubstr("another waggle profiles this process"));
  const WaggleResult result = first.wait();
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_EQ(tool_state(file), "ok");
  expect_shares(file);
}

TEST_P(Java, has_names_of_threads_where_they_are_asked_for) {
  const TestProgram program(command());
  const WaggleResult result = run_waggle(record(program.pid(), {"-d", "2", "--threads"}));
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  std::uint64_t of_main = 0;
  for (const auto& line : file.lines) {
    const bool has_main = line.stack().find(";Shares.main(") != std::string::npos;
    ASSERT_TRUE(!has_main || line.frames.front() == "thread: java") << line.stack();
    of_main += has_main ? line.count : 0;
  }
  const double share = static_cast<double>(of_main) / static_cast<double>(file.total());
  EXPECT_GT(share + file.share_of("java", ";thread: Attach Listen"), 0.9) << file.text_of("java");
}

TEST_P(Java, outside_of_the_chosen_cgroup_is_not_touched) {
  const auto hierarchies = TestCgroup::hierarchies();
  if (hierarchies.empty()) {
    GTEST_SKIP() << "no cgroup can be made here";
  }
  const TestCgroup cgroup(hierarchies.front(), "waggle_java_test");
  const TestProgram inside(command());
  const TestProgram outside(command());
  cgroup.take(inside.pid());
  const WaggleResult result =
      run_waggle({"record", "-F", "499", "-d", "3", "-o", "-", "--cgroup", cgroup.path(),
                  "--async-profiler-path", async_profiler_directory()});
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_EQ(tool_state(file), "ok") << result.err;
  expect_shares(file);
  EXPECT_THAT(mapped_profilers(inside.pid()), SizeIs(1));
  EXPECT_THAT(mapped_profilers(outside.pid()), IsEmpty());
}

TEST_P(Java, stays_native_where_that_is_asked_for) {
  const TestProgram program(command());
  const WaggleResult result = run_waggle(record(program.pid(), {"-d", "1", "--no-java"}));
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_EQ(tool_state(file), "");
  EXPECT_EQ(file.count_of("java", "Shares."), 0U);
  EXPECT_THAT(mapped_profilers(program.pid()), IsEmpty());
}

constexpr const char* kJattach = "/usr/bin/jattach";

TEST_P(Java, is_attached_to_by_the_jattach_that_is_given) {
  if (!std::filesystem::exists(kJattach)) {
    GTEST_SKIP() << "no jattach here (tools/install_packages test)";
  }
  const ToolStandIn jattach("jattach",
                            fmt::format("echo $1 $2 >>$DIR/calls; exec {} \"$@\"", kJattach));
  std::vector<std::string> words = {"setpriv", "--reuid", "4242",
                                    "--regid", "4243",    "--clear-groups"};
  std::ranges::move(command(), std::back_inserter(words));
  const TestProgram program(words);
  const WaggleResult result =
      run_waggle(record(program.pid(), {"-d", "4", "--jattach-path", jattach.path()}));
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_EQ(tool_state(file), "ok") << result.err;
  expect_shares(file);
  const std::string call = fmt::format("{} load\n", program.pid());
  EXPECT_EQ(jattach.read("calls"), call + call + call);  // start, metrics, stop
  EXPECT_FALSE(is_being_sampled(program.pid()));
  jattach.expect_nothing_runs();
}

struct BadJattach {
  const char* behaviour;
  const char* reason;
};

TEST_P(Java, keeps_its_native_frames_where_jattach_does_not_do_what_it_should) {
  const TestProgram program(command());
  for (const auto& [behaviour, reason] : {
           BadJattach{"echo 'Could not start attach mechanism' >&2; exit 1",
                      "jattach exited with status 1: Could not start attach mechanism"},
           BadJattach{"kill -SEGV $$", "jattach was ended by signal 11: it said nothing"},
           BadJattach{"exit 0", "jattach has told no answer of the JVM"},
           BadJattach{"echo 'JVM response code = 0'; echo 'return code: 0'; exit 3",
                      "jattach exited with status 3"},
           BadJattach{"echo 'JVM response code = 0'; echo 'x was not loaded.'; exit 0",
                      "the JVM has refused it: x was not loaded."},
           BadJattach{"sleep 1000 & echo $! >>$DIR/pids; wait",
                      "the JVM does not answer, jattach had to be killed"},
           BadJattach{"exec cat /dev/zero", "jattach prints without end"},
       }) {
    const ToolStandIn jattach("jattach", behaviour);
    const WaggleResult result =
        run_waggle(record(program.pid(), {"-d", "2", "--java-jattach-timeout", "1",
                                          "--jattach-path", jattach.path()}));
    ASSERT_EQ(result.status, 0) << result.err;
    EXPECT_LT(result.took, seconds(2 + 10)) << behaviour;
    const CollapsedFile file = CollapsedFile::parse(result.out);
    EXPECT_THAT(tool_state(file), HasSubstr(reason)) << behaviour;
    EXPECT_THAT(result.err, HasSubstr(reason)) << behaviour;
    EXPECT_THAT(file.text_of("java"), HasSubstr(";[Profiling error: ")) << behaviour;
    EXPECT_TRUE(file.adds_up());
    EXPECT_TRUE(is_running(program.pid()));
    jattach.expect_nothing_runs();
  }
}

TEST_P(Java, is_not_asked_by_what_is_no_program) {
  const TestProgram program(command());
  const WaggleResult result =
      run_waggle(record(program.pid(), {"-d", "1", "--jattach-path", async_profiler_directory()}));
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("is no program that we may run"));
}

// Ends or crashes one of two JVMs that are recorded.
struct Violence {
  const char* name;
  int signal;  // 0: the kernel's log says that it was killed
  std::vector<std::string> more;
  bool is_other_left;  // in peace, from then on
  const char* told;
};

TEST_P(Java, is_left_in_peace_after_what_the_safe_mode_names) {
  for (const Violence& violence : {
           Violence{"killed", SIGKILL, {}, true, "was ended by signal 9 while it was profiled"},
           Violence{"crashed", SIGBUS, {"--java-safemode="}, false, "crashed while it was"},
           Violence{"killed",
                    SIGKILL,
                    {"--java-safemode", "hserr,general-oom"},
                    false,
                    "process went down during profiling"},
           Violence{"ended", SIGTERM, {"--java-safemode", "profiled-signaled"}, false, ""},
           Violence{"out of memory",
                    0,
                    {},
                    true,
                    "the kernel says: Memory cgroup out of memory: Killed process"},
           Violence{"out of memory", 0, {"--java-safemode=hserr"}, false, ""},
       }) {
    const TempDir folder;
    std::vector<std::string> words = {"env", "--chdir", folder.path()};
    std::ranges::move(command({"-XX:-CreateCoredumpOnCrash"}), std::back_inserter(words));
    const TestProgram victim(words);
    const TestProgram other(command());
    std::vector<std::string> more = {"-d", "7", "-p", std::to_string(victim.pid())};
    std::ranges::copy(violence.more, std::back_inserter(more));
    WaggleRun run(record(other.pid(), more));
    ASSERT_TRUE(
        wait_until([&] { return is_being_sampled(victim.pid()) && is_being_sampled(other.pid()); },
                   seconds(20)));
    std::this_thread::sleep_for(seconds(1));
    if (violence.signal != 0) {
      ASSERT_EQ(::kill(victim.pid(), violence.signal), 0);
    } else {
      std::ofstream("/dev/kmsg") << "Memory cgroup out of memory: Killed process " << victim.pid()
                                 << " (java) of waggle's java_test, which is not true\n";
    }
    EXPECT_EQ(wait_until([&] { return !is_being_sampled(other.pid()); }, milliseconds(2500)),
              violence.is_other_left)
        << violence.name;
    const WaggleResult result = run.wait();
    ASSERT_EQ(result.status, 0) << result.err;
    EXPECT_THAT(result.err, HasSubstr(violence.told)) << violence.name;
    EXPECT_EQ(result.err.find("continuing without the methods of Java") != std::string::npos,
              violence.is_other_left)
        << result.err;
    const CollapsedFile file = CollapsedFile::parse(result.out);
    EXPECT_GT(file.count_of("java", ";Shares.work()V_"), 0U);
    EXPECT_TRUE(file.adds_up());
    EXPECT_TRUE(is_running(other.pid()));
  }
}

TEST_P(Java, of_a_version_that_was_not_tried_is_left_native_where_that_is_asked_for) {
  const TestProgram program(command());
  const WaggleResult result = run_waggle(
      record(program.pid(), {"-d", "2", "--java-safemode", "java-extended-version-checks"}));
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  const bool is_tried = GetParam() == std::string("17");
  EXPECT_EQ(tool_state(file) == "ok" && file.count_of("java", "Shares.work()V_") > 0, is_tried)
      << file.text_of("java");
  EXPECT_EQ(file.text_of("java").find(
                ";[Profiling skipped: profiling this JVM is not supported]") == std::string::npos,
            is_tried);
  EXPECT_TRUE(file.adds_up());
}

TEST_P(Java, that_begins_meanwhile_is_profiled_where_that_is_asked_for) {
  struct Case {
    std::vector<std::string> more;
    bool is_profiled;
  };
  for (const auto& [more, is_profiled] :
       {Case{{"--min-profiling-duration", "2", "--profile-spawned-processes"}, true},
        Case{{"--min-profiling-duration", "2"}, false},
        Case{{"--profile-spawned-processes"}, false},  // ten seconds do not pass
        Case{{"--min-profiling-duration", "1", "--profile-spawned-processes", "--engine",
              "fallback"},
             true},
        Case{{"--min-profiling-duration", "1", "--profile-spawned-processes", "--perf-mode",
              "disabled", "--engine", "fallback"},
             true}}) {
    std::vector<std::string> arguments = {
        "record", "-d", "8", "-o", "-", "--async-profiler-path", async_profiler_directory()};
    std::ranges::copy(more, std::back_inserter(arguments));
    WaggleRun run(arguments);
    std::this_thread::sleep_for(seconds(2));  // it records by now
    const auto begin = std::chrono::steady_clock::now();
    const TestProgram program(command());
    const bool is_seen =
        wait_until([&] { return is_being_sampled(program.pid()); }, milliseconds(4500));
    const auto took = std::chrono::steady_clock::now() - begin;
    const WaggleResult result = run.wait();
    ASSERT_TRUE(result.status == 0 || !is_profiled) << result.err;
    EXPECT_EQ(is_seen, is_profiled) << result.err;
    if (is_profiled) {
      EXPECT_GE(took, milliseconds(900));  // it was too young before
      const CollapsedFile file = CollapsedFile::parse(result.out);
      EXPECT_GT(file.count_of("java", ";Shares.work()V_"), 50U) << file.text_of("java");
      EXPECT_TRUE(file.adds_up());
    } else {
      EXPECT_THAT(mapped_profilers(program.pid()), IsEmpty());
    }
  }
}

std::vector<std::string> record_allocations(std::vector<std::string> more) {
  std::vector<std::string> arguments = {"record",
                                        "--mode",
                                        "allocation",
                                        "-o",
                                        "-",
                                        "-d",
                                        "3",
                                        "--async-profiler-path",
                                        async_profiler_directory()};
  std::ranges::move(more, std::back_inserter(arguments));
  return arguments;
}

TEST_P(Java, tells_what_it_allocates_and_nothing_else_is_profiled) {
  const TestProgram program(java_command(GetParam(), {}, "Allocates"));
  const TestProgram other({"sh", "-c", "echo ready; while :; do :; done"});
  const WaggleResult result = run_waggle(record_allocations(
      {"--alloc-interval", "256kb", "-p", fmt::format("{},{}", program.pid(), other.pid())}));
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_EQ(file.header["profiling_mode"], "allocation");
  EXPECT_EQ(file.header["metadata"]["profiling_mode"], "allocation");
  EXPECT_EQ(file.header["metadata"]["run_arguments"]["alloc_interval"], "262144");
  const auto& waggle = file.header["waggle"];
  EXPECT_EQ(waggle["event"], "alloc");
  EXPECT_EQ(waggle["frequency"], 0);
  EXPECT_EQ(waggle["engine"], "none");
  EXPECT_THAT(waggle["engine_reason"].get<std::string>(), HasSubstr("262,144 bytes"));
  EXPECT_EQ(tool_state(file), "ok") << result.err;
  EXPECT_EQ(file.count_of("java"), file.total());
  EXPECT_GT(file.total(), 500U);
  EXPECT_NEAR(file.share_of("java", ";Allocates.heavy()V_"), 0.75, 0.08) << file.text_of("java");
  EXPECT_NEAR(file.share_of("java", ";Allocates.light()V_"), 0.25, 0.08);
  EXPECT_THAT(file.text_of("java"), HasSubstr(";long[]_["));
  EXPECT_THAT(file.text_of("java"), HasSubstr(";java.lang.String[]_["));
  EXPECT_TRUE(file.adds_up());
  EXPECT_TRUE(is_running(program.pid()));
}

TEST_P(Java, has_fewer_samples_of_allocations_where_each_stands_for_more_bytes) {
  const TestProgram program(java_command(GetParam(), {}, "Allocates"));
  const auto samples_at = [&](const std::string& interval) {
    const WaggleResult result = run_waggle(
        record_allocations({"--alloc-interval", interval, "-p", std::to_string(program.pid())}));
    EXPECT_EQ(result.status, 0) << result.err;
    return static_cast<double>(CollapsedFile::parse(result.out).total());
  };
  const double fine = samples_at("256kb");
  const double coarse = samples_at("4mb");
  EXPECT_GT(coarse, 10);
  EXPECT_NEAR(fine / coarse, 16, 8) << fine << " and " << coarse;
}

TEST_P(Java, without_allocations_leaves_no_file) {
  const TestProgram program({"sh", "-c", "echo ready; while :; do :; done"});
  const WaggleResult result = run_waggle(record_allocations({"-p", std::to_string(program.pid())}));
  EXPECT_EQ(result.status, 4);
  EXPECT_THAT(result.err, HasSubstr("no Java was seen to allocate"));
}

// Long recordings are made of many, each of which would end by itself.
TEST_P(Java, is_recorded_beyond_the_timeout_and_nothing_counts_twice) {
  constexpr int kHz = 99;
  const TestProgram program(command());
  auto jvm = find_jvm(program.pid());
  ASSERT_TRUE(jvm && *jvm);
  std::uint64_t count = 0;
  const CpuTime before = cpu_time_of(program.pid());
  // Renewed 20 seconds before its timeout: every two seconds.
  const auto recording = AsyncProfilerRecording::start(
      *std::move(*jvm), async_profiler_directory() + "/libasyncProfiler.so",
      {.frequency_hz = kHz, .timeout = seconds(22)}, {.patience = seconds(10)},
      [&count](const AsyncProfilerStack& stack) { count += stack.count; });
  ASSERT_TRUE(recording) << recording.error().what;
  const auto advance_until = [&](const std::function<bool()>& is_done, seconds limit) {
    return wait_until(
        [&] {
          (*recording)->advance();
          return is_done();
        },
        limit);
  };
  ASSERT_TRUE(advance_until([&] { return count > 0; }, seconds(30)));
  const std::uint64_t of_the_first = count;
  ASSERT_TRUE(advance_until([&] { return count > of_the_first; }, seconds(30)));
  (*recording)->interrupt();
  ASSERT_TRUE(advance_until([&] { return (*recording)->is_over(); }, seconds(10)));
  EXPECT_EQ((*recording)->problem(), "");
  EXPECT_NE((*recording)->memory(), "");
  const double expected =
      std::chrono::duration<double>(cpu_time_of(program.pid()) - before).count() * kHz;
  EXPECT_LE(static_cast<double>(count), expected * 1.1 + 3);
  EXPECT_GE(static_cast<double>(count), expected * 0.5);
}

INSTANTIATE_TEST_SUITE_P(Version, Java, testing::Values(JAVA_VERSIONS),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace waggle
