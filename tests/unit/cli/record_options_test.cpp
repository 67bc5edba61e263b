// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/record_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
namespace waggle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Words = std::vector<std::string>;

RecordOptions options_of(const Words& words) {
  const auto options = parse_record_options(words);
  EXPECT_TRUE(options) << options.error().what;
  return options.value_or(RecordOptions{});
}

std::string error_of(const Words& words) {
  const auto options = parse_record_options(words);
  EXPECT_TRUE(options || options.error().code == Errc::malformed);
  return options ? "no error" : options.error().what;
}

TEST(RecordOptions, profile_the_whole_host_for_ten_seconds_by_default) {
  const RecordOptions options = options_of({});
  EXPECT_EQ(options.duration_s, 10);
  EXPECT_EQ(options.frequency_hz, 99);
  EXPECT_THAT(options.pids, IsEmpty());
  EXPECT_THAT(options.command, IsEmpty());
  EXPECT_FALSE(options.with_children);
  EXPECT_THAT(options.outputs, ElementsAre(OutputTarget{"", OutputFormat::html}));
  EXPECT_EQ(options.engine, Engine::automatic);
  EXPECT_EQ(options.perf_path, "");
  EXPECT_EQ(options.perf_mode, PerfMode::fp);
  EXPECT_EQ(options.perf_dwarf_stack_bytes, 8192);
  EXPECT_EQ(options.pin_dir, "");
  EXPECT_EQ(options.ring_size_kib, 0U);
  EXPECT_FALSE(options.has_thread_frames);
  EXPECT_FALSE(options.is_quiet);
  EXPECT_FALSE(options.is_verbose);
}

TEST(RecordOptions, are_all_read) {
  const RecordOptions options = options_of({"-d",
                                            "3",
                                            "-F",
                                            "499",
                                            "-p",
                                            "7,5",
                                            "--children",
                                            "-o",
                                            "a.col",
                                            "-o",
                                            "-",
                                            "-f",
                                            "col",
                                            "--engine",
                                            "ebpf",
                                            "--pin",
                                            "/sys/fs/bpf/w",
                                            "--threads",
                                            "--ring-size",
                                            "64",
                                            "-v"});
  EXPECT_EQ(options.duration_s, 3);
  EXPECT_EQ(options.frequency_hz, 499);
  EXPECT_THAT(options.pids, ElementsAre(5, 7));
  EXPECT_TRUE(options.with_children);
  EXPECT_THAT(options.outputs, ElementsAre(OutputTarget{"a.col", OutputFormat::col},
                                           OutputTarget{"-", OutputFormat::col}));
  EXPECT_EQ(options.engine, Engine::ebpf);
  EXPECT_EQ(options.pin_dir, "/sys/fs/bpf/w");
  EXPECT_TRUE(options.has_thread_frames);
  EXPECT_EQ(options.ring_size_kib, 64U);
  EXPECT_TRUE(options.is_verbose);
  EXPECT_TRUE(options_of({"--quiet"}).is_quiet);
}

TEST(RecordOptions, know_gprofilers_names) {
  const RecordOptions options =
      options_of({"--profiling-duration", "7", "--profiling-frequency=11", "--pids", "1"});
  EXPECT_EQ(options.duration_s, 7);
  EXPECT_EQ(options.frequency_hz, 11);
  EXPECT_THAT(options.pids, ElementsAre(1));
}

TEST(RecordOptions, take_the_last_of_what_can_be_only_one) {
  EXPECT_EQ(options_of({"-d", "3", "--profiling-duration", "4"}).duration_s, 4);
  EXPECT_EQ(options_of({"-F", "1", "-F", "2"}).frequency_hz, 2);
}

TEST(RecordOptions, refuse_durations_that_are_no_whole_seconds) {
  constexpr auto kRange = "(1 to 2,147,483,647)";
  for (const std::string text : {"0", "-1", "2147483648"}) {
    EXPECT_EQ(error_of({"-d", text}), "--duration: \"" + text + "\" is out of range " + kRange);
  }
  for (const std::string text : {"ten", "1.5", "1s"}) {
    EXPECT_EQ(error_of({"--duration", text}),
              "--duration: \"" + text + "\" is not a whole number " + kRange);
  }
}

TEST(RecordOptions, refuse_frequencies_out_of_range) {
  EXPECT_EQ(options_of({"-F", "1"}).frequency_hz, 1);
  EXPECT_EQ(options_of({"-F", "10000"}).frequency_hz, 10000);
  EXPECT_EQ(error_of({"-F", "0"}), "--frequency: \"0\" is out of range (1 to 10,000)");
  EXPECT_EQ(error_of({"-F", "10001"}), "--frequency: \"10001\" is out of range (1 to 10,000)");
  EXPECT_EQ(error_of({"-F", "99Hz"}), "--frequency: \"99Hz\" is not a whole number (1 to 10,000)");
}

TEST(RecordOptions, collect_pids_from_lists_and_repetitions) {
  EXPECT_THAT(options_of({"-p", "30,4", "--pids=30", "-p2"}).pids, ElementsAre(2, 4, 30));
  EXPECT_THAT(options_of({"-p", "2147483647"}).pids, ElementsAre(2147483647));
}

TEST(RecordOptions, refuse_pids_that_are_none) {
  for (const std::string text : {"0", "-5", "4294967296"}) {
    EXPECT_THAT(error_of({"-p", text}),
                HasSubstr("--pids: \"" + text + "\" is out of range (1 to "));
  }
  for (const std::string list : {"1,,2", "1,", ",1", "1, 2", "self"}) {
    EXPECT_THAT(error_of({"-p", list}), HasSubstr("is not a whole number (1 to ")) << list;
  }
}

TEST(RecordOptions, want_pids_with_children) {
  EXPECT_EQ(error_of({"--children"}), "--children: needs --pids");
  EXPECT_EQ(error_of({"--children", "--", "ls"}), "--children: needs --pids");
}

TEST(RecordOptions, run_a_command_until_it_ends) {
  const RecordOptions options = options_of({"-F", "49", "--", "make", "-d", "3", "--", "all"});
  EXPECT_EQ(options.duration_s, std::nullopt);
  EXPECT_THAT(options.command, ElementsAre("make", "-d", "3", "--", "all"));
  EXPECT_EQ(options_of({"-d", "2", "--", "ls"}).duration_s, 2);
}

TEST(RecordOptions, refuse_a_command_beside_pids) {
  EXPECT_EQ(error_of({"-p", "1", "--", "ls"}), "--pids: cannot go with a command after \"--\"");
  EXPECT_EQ(error_of({"--"}), "\"--\": a command must follow");
  EXPECT_EQ(error_of({"ls"}), "stray argument \"ls\" (a command goes after \"--\")");
}

TEST(RecordOptions, take_rings_of_a_power_of_two_pages) {
  EXPECT_EQ(options_of({"--ring-size", "0"}).ring_size_kib, 0U);
  EXPECT_EQ(options_of({"--ring-size", "4"}).ring_size_kib, 4U);
  EXPECT_EQ(options_of({"--ring-size", "1048576"}).ring_size_kib, 1048576U);
  EXPECT_EQ(error_of({"--ring-size", "2"}), "--ring-size: \"2\" is out of range (4 to 1,048,576)");
  EXPECT_EQ(error_of({"--ring-size", "12"}), "--ring-size: \"12\" is not a power of two");
  EXPECT_EQ(error_of({"--ring-size", "2097152"}),
            "--ring-size: \"2097152\" is out of range (4 to 1,048,576)");
}

TEST(RecordOptions, know_how_perf_is_to_run) {
  const RecordOptions options = options_of(
      {"--perf-path", "/opt/perf", "--perf-mode", "dwarf", "--perf-dwarf-stack-size", "16384"});
  EXPECT_EQ(options.perf_path, "/opt/perf");
  EXPECT_EQ(options.perf_mode, PerfMode::dwarf);
  EXPECT_EQ(options.perf_dwarf_stack_bytes, 16384);
  EXPECT_EQ(error_of({"--perf-mode", "lbr"}),
            "--perf-mode: \"lbr\" is none of fp, dwarf, smart, disabled, none");
  EXPECT_TRUE(options_of({"--perf-mode", "disabled"}).is_perf_disabled);
  EXPECT_FALSE(options_of({"--perf-mode", "dwarf"}).is_perf_disabled);
  EXPECT_EQ(options_of({"--perf-mode", "smart"}).perf_mode, PerfMode::smart);
  EXPECT_EQ(error_of({"--perf-mode", "dwarf", "-F", "101"}),
            "--perf-mode: dwarf takes 100 Hz at most (see -F)");
  EXPECT_EQ(error_of({"--perf-mode", "smart", "-F", "101"}),
            "--perf-mode: smart takes 100 Hz at most (see -F)");
  EXPECT_EQ(error_of({"--perf-dwarf-stack-size", "65536"}),
            "--perf-dwarf-stack-size: \"65536\" is out of range (8 to 65,528)");
  EXPECT_EQ(error_of({"--perf-dwarf-stack-size", "12"}),
            "--perf-dwarf-stack-size: \"12\" is no multiple of 8");
  EXPECT_EQ(error_of({"--perf-path", ""}), "--perf-path: \"\" is no file");
}

TEST(RecordOptions, know_the_engines) {
  EXPECT_EQ(options_of({"--engine", "auto"}).engine, Engine::automatic);
  EXPECT_EQ(options_of({"--engine", "fallback"}).engine, Engine::fallback);
  EXPECT_EQ(error_of({"--engine", "perf"}), "--engine: \"perf\" is none of auto, ebpf, fallback");
}

TEST(RecordOptions, know_the_modes_of_python) {
  EXPECT_EQ(options_of({}).python_mode, PythonMode::automatic);
  EXPECT_FALSE(options_of({}).has_python_eval_frames);
  EXPECT_TRUE(options_of({}).has_python_versions);
  EXPECT_FALSE(options_of({"--no-python-versions"}).has_python_versions);
  EXPECT_EQ(options_of({}).max_python_processes, 0U);
  const auto mode_of = [](const std::vector<std::string>& arguments) {
    return options_of(arguments).python_mode;
  };
  const std::map<std::string, PythonMode> modes = {{"auto", PythonMode::automatic},
                                                   {"ebpf", PythonMode::ebpf},
                                                   {"pyperf", PythonMode::ebpf},
                                                   {"pyspy", PythonMode::py_spy},
                                                   {"py-spy", PythonMode::py_spy}};
  for (const auto& [name, mode] : modes) {
    EXPECT_EQ(mode_of({"--python-mode", name}), mode) << name;
    EXPECT_EQ(mode_of({"--python-mode", name, "--no-python"}), PythonMode::disabled) << name;
  }
  EXPECT_EQ(mode_of({"--python-mode", "disabled"}), PythonMode::disabled);
  EXPECT_EQ(mode_of({"--python-mode=disabled"}), PythonMode::disabled);
  EXPECT_EQ(mode_of({"--python-mode", "none"}), PythonMode::disabled);
  EXPECT_EQ(mode_of({"--no-python"}), PythonMode::disabled);
  EXPECT_EQ(mode_of({"--no-python", "--python-mode", "auto"}), PythonMode::disabled);
  EXPECT_EQ(mode_of({"--python-mode", "disabled", "--python-mode", "ebpf"}), PythonMode::ebpf);
  EXPECT_TRUE(options_of({"--python-eval-frames"}).has_python_eval_frames);
}

TEST(RecordOptions, refuse_modes_of_python_that_are_none) {
  for (const std::string mode : {"", "pypref", "EBPF", "auto,ebpf"}) {
    EXPECT_THAT(error_of({"--python-mode", mode}), HasSubstr("--python-mode")) << mode;
  }
  EXPECT_THAT(error_of({"--python-mode"}), HasSubstr("--python-mode"));
  EXPECT_THAT(error_of({"--no-python=1"}), HasSubstr("--no-python"));
  EXPECT_THAT(error_of({"--python-eval-frames=yes"}), HasSubstr("--python-eval-frames"));
}

TEST(RecordOptions, know_how_java_is_told) {
  const RecordOptions defaults = options_of({});
  EXPECT_EQ(defaults.java_mode, JavaMode::automatic);
  EXPECT_EQ(defaults.async_profiler_path, "");
  EXPECT_EQ(defaults.async_profiler.more, "");
  EXPECT_EQ(defaults.java_patience_s, 30);
  const auto mode_of = [](const std::vector<std::string>& arguments) {
    return options_of(arguments).java_mode;
  };
  EXPECT_EQ(mode_of({"--java-async-profiler-mode", "auto"}), JavaMode::automatic);
  EXPECT_EQ(mode_of({"--java-async-profiler-mode", "cpu"}), JavaMode::cpu);
  EXPECT_EQ(mode_of({"--java-async-profiler-mode", "itimer"}), JavaMode::itimer);
  EXPECT_EQ(mode_of({"--java-async-profiler-mode", "wall", "--java-mode", "ap"}), JavaMode::wall);
  EXPECT_EQ(mode_of({"--no-java", "--java-mode", "ap"}), JavaMode::disabled);
  EXPECT_EQ(mode_of({"--java-mode", "none"}), JavaMode::disabled);
  EXPECT_EQ(mode_of({"--java-mode", "disabled", "--java-async-profiler-mode", "wall"}),
            JavaMode::disabled);
  const RecordOptions given = options_of(
      {"--async-profiler-path", "/opt/ap", "--java-async-profiler-args", "cstack=fp,jstackdepth=64",
       "--java-jattach-timeout", "5", "--jattach-path", "/opt/jattach"});
  EXPECT_EQ(given.jattach_path, "/opt/jattach");
  EXPECT_EQ(defaults.jattach_path, "");
  EXPECT_EQ(given.async_profiler_path, "/opt/ap");
  EXPECT_EQ(given.async_profiler.more, "cstack=fp,jstackdepth=64");
  EXPECT_EQ(given.java_patience_s, 5);
}

TEST(RecordOptions, refuse_what_java_is_not_told_by) {
  EXPECT_THAT(error_of({"--java-mode", "jfr"}), HasSubstr("--java-mode"));
  EXPECT_EQ(error_of({"--java-async-profiler-mode", "alloc"}),
            "--java-async-profiler-mode: alloc needs --mode allocation");
  EXPECT_EQ(error_of({"--java-async-profiler-mode", "lock"}),
            "--java-async-profiler-mode: \"lock\" is none of auto, cpu, itimer, wall, alloc");
  EXPECT_EQ(error_of({"--mode", "allocation", "--java-async-profiler-mode", "wall"}),
            "--java-async-profiler-mode: wall cannot go with --mode allocation, which is alloc");
  EXPECT_THAT(error_of({"--async-profiler-path", ""}), HasSubstr("is no file"));
  EXPECT_EQ(error_of({"--jattach-path", ""}), "--jattach-path: \"\" is no file");
  EXPECT_THAT(error_of({"--java-async-profiler-args", std::string(513, 'x')}),
              HasSubstr("512 bytes at most"));
  EXPECT_THAT(error_of({"--java-jattach-timeout", "0"}), HasSubstr("--java-jattach-timeout"));
}

TEST(RecordOptions, hand_async_profiler_what_gprofiler_does) {
  const RecordOptions defaults = options_of({});
  EXPECT_EQ(defaults.async_profiler.features, "probesp+vtable");
  EXPECT_EQ(defaults.async_profiler.name_age, 30);
  EXPECT_EQ(defaults.async_profiler.safemode, 0);
  EXPECT_FALSE(defaults.async_profiler.has_method_modifiers);
  EXPECT_FALSE(defaults.async_profiler.has_line_numbers);
  EXPECT_TRUE(defaults.async_profiler.reports_memory);
  EXPECT_FALSE(defaults.tells_whole_hserr);
  const RecordOptions given =
      options_of({"--java-async-profiler-features", "comptask,vtable",
                  "--java-async-profiler-mcache", "0", "--java-async-profiler-safemode", "63",
                  "--java-include-method-modifiers", "--java-line-numbers", "line-of-function",
                  "--java-async-profiler-no-report-meminfo", "--java-full-hserr"});
  EXPECT_EQ(given.async_profiler.features, "comptask+vtable");
  EXPECT_EQ(given.async_profiler.name_age, 0);
  EXPECT_EQ(given.async_profiler.safemode, 63);
  EXPECT_TRUE(given.async_profiler.has_method_modifiers);
  EXPECT_TRUE(given.async_profiler.has_line_numbers);
  EXPECT_FALSE(given.async_profiler.reports_memory);
  EXPECT_TRUE(given.tells_whole_hserr);
  EXPECT_EQ(options_of({"--java-async-profiler-features", ""}).async_profiler.features, "");
  EXPECT_FALSE(options_of({"--java-line-numbers", "none"}).async_profiler.has_line_numbers);
}

TEST(RecordOptions, refuse_what_async_profiler_cannot_be_told) {
  EXPECT_EQ(error_of({"--java-async-profiler-features", "vtable,jit"}),
            "--java-async-profiler-features: \"jit\" is none of probesp, vtable, comptask");
  EXPECT_THAT(error_of({"--java-async-profiler-features", "vtable,"}), HasSubstr("is none of"));
  EXPECT_EQ(error_of({"--java-async-profiler-mcache", "256"}),
            "--java-async-profiler-mcache: \"256\" is out of range (0 to 255)");
  EXPECT_THAT(error_of({"--java-async-profiler-safemode", "64"}), HasSubstr("0 to 63"));
  EXPECT_EQ(error_of({"--java-line-numbers", "all"}),
            "--java-line-numbers: \"all\" is none of none, line-of-function");
  EXPECT_THAT(error_of({"--java-full-hserr=yes"}), HasSubstr("takes no value"));
}

TEST(RecordOptions, choose_the_flags_of_jvms) {
  EXPECT_TRUE(options_of({}).has_jvm_flags);
  EXPECT_TRUE(options_of({"--java-collect-jvm-flags", "default"}).has_jvm_flags);
  EXPECT_FALSE(options_of({"--java-collect-jvm-flags", "none"}).has_jvm_flags);
  const RecordOptions some = options_of({"--java-collect-jvm-flags", "UseG1GC,MaxRAM"});
  EXPECT_TRUE(some.has_jvm_flags);
  EXPECT_THAT(some.jvm_flags, ElementsAre("UseG1GC", "MaxRAM"));
  EXPECT_THAT(error_of({"--java-collect-jvm-flags", "all"}), HasSubstr("asked of each JVM"));
  EXPECT_EQ(error_of({"--java-collect-jvm-flags", "UseG1GC,-x"}),
            "--java-collect-jvm-flags: \"-x\" is no name of a flag");
}

TEST(RecordOptions, take_what_begins_meanwhile_on_a_whole_host) {
  EXPECT_FALSE(options_of({}).profiles_spawned);
  EXPECT_TRUE(options_of({"--profile-spawned-processes"}).profiles_spawned);
  EXPECT_TRUE(options_of({"--profile-spawned-processes", "--cgroup", "a"}).profiles_spawned);
  EXPECT_EQ(error_of({"--profile-spawned-processes", "-p", "1"}),
            "--profile-spawned-processes: cannot go with --pids");
  EXPECT_EQ(error_of({"--profile-spawned-processes", "--", "ls"}),
            "--profile-spawned-processes: cannot go with a command after \"--\"");
  EXPECT_EQ(error_of({"--profile-spawned-processes=yes"}),
            "--profile-spawned-processes: takes no value");
}

std::vector<std::string_view> safemode_of(const Words& words) {
  const RecordOptions options = options_of(words);
  std::vector<std::string_view> names;
  for (const SafemodeName& rule : kSafemodeNames) {
    if (options.java_safemode.*rule.flag) {
      names.push_back(rule.name);
    }
  }
  return names;
}

TEST(RecordOptions, say_when_java_is_left_alone) {
  const auto is_default = ElementsAre("profiled-oom", "profiled-signaled", "hserr");
  EXPECT_THAT(safemode_of({}), is_default);
  EXPECT_THAT(safemode_of({"--java-no-version-check"}), is_default);
  EXPECT_THAT(safemode_of({"--java-safemode="}), IsEmpty());
  EXPECT_THAT(safemode_of({"--java-safemode", ""}), IsEmpty());
  EXPECT_THAT(safemode_of({"--java-safemode", "\"\"", "--quiet"}), IsEmpty());
  EXPECT_THAT(safemode_of({"--java-safemode"}), testing::SizeIs(8));
  EXPECT_THAT(safemode_of({"--java-safemode", "-d", "3"}), testing::SizeIs(8));
  EXPECT_THAT(safemode_of({"--java-safemode=all"}), testing::SizeIs(8));
  EXPECT_THAT(safemode_of({"--java-safemode", "hserr,general-oom", "-d", "3"}),
              ElementsAre("hserr", "general-oom"));
  EXPECT_EQ(options_of({"--java-safemode", "-d", "3"}).duration_s, 3);
  EXPECT_TRUE(options_of({}).checks_java_version);
  EXPECT_FALSE(options_of({"--java-no-version-check"}).checks_java_version);
}

TEST(RecordOptions, refuse_rules_that_there_are_not) {
  for (const std::string list :
       {"hs_err", "hserr,", ",hserr", "hserr, general-oom", "none", "all,hserr"}) {
    EXPECT_THAT(error_of({"--java-safemode", list}),
                HasSubstr("is none of profiled-oom, profiled-signaled, hserr, general-oom"))
        << list;
  }
  EXPECT_EQ(error_of({"--java-no-version-check", "--java-safemode"}),
            "--java-no-version-check: cannot go with --java-safemode java-extended-version-checks");
}

TEST(RecordOptions, count_time_or_the_bytes_that_java_allocates) {
  EXPECT_EQ(options_of({}).mode, ProfilingMode::cpu);
  EXPECT_EQ(options_of({"--mode", "cpu"}).mode, ProfilingMode::cpu);
  const RecordOptions plain = options_of({"--mode", "allocation"});
  EXPECT_EQ(plain.mode, ProfilingMode::allocation);
  EXPECT_EQ(plain.alloc_interval_bytes, 2097152);
  const std::map<std::string, std::int64_t> sizes = {{"1", 1},
                                                     {"512b", 512},
                                                     {"64k", 65536},
                                                     {"64kb", 65536},
                                                     {"64 KiB", 65536},
                                                     {"1.5mb", 1572864},
                                                     {"2MB", 2097152},
                                                     {"1G", 1073741824},
                                                     {"1TiB", 1LL << 40},
                                                     {"1099511627776", 1LL << 40}};
  for (const auto& [text, bytes] : sizes) {
    EXPECT_EQ(options_of({"--mode", "allocation", "--alloc-interval", text}).alloc_interval_bytes,
              bytes)
        << text;
  }
  EXPECT_EQ(options_of({"--mode", "allocation", "--java-async-profiler-mode", "alloc"}).mode,
            ProfilingMode::allocation);
}

TEST(RecordOptions, refuse_modes_that_leave_nothing_or_mean_nothing) {
  EXPECT_EQ(error_of({"--mode", "wall"}), "--mode: \"wall\" is none of cpu, allocation, none");
  EXPECT_EQ(error_of({"--mode", "none"}), "--mode: none leaves no profiler to record with");
  EXPECT_EQ(error_of({"--mode", "allocation", "--no-java"}),
            "--mode: allocation is of Java alone, which is switched off");
  EXPECT_THAT(error_of({"--mode", "allocation", "--java-mode", "disabled"}),
              HasSubstr("switched off"));
  EXPECT_EQ(error_of({"--alloc-interval", "2mb"}), "--alloc-interval: needs --mode allocation");
  EXPECT_EQ(error_of({"--mode", "allocation", "-F", "99"}),
            "--frequency: cannot go with --mode allocation, which has --alloc-interval");
  for (const std::string size : {"", "mb", "-1", "1e6", "2 m b", "1..5", "nan", "inf", "0x10",
                                 "2pb", "1mbs", "999999999999999999999999999999999"}) {
    EXPECT_THAT(error_of({"--mode", "allocation", "--alloc-interval", size}),
                HasSubstr("is no size"))
        << size;
  }
  for (const std::string size : {"0", "0.5", "2tb"}) {
    EXPECT_THAT(error_of({"--mode", "allocation", "--alloc-interval", size}),
                HasSubstr("is out of range (1 to 1,099,511,627,776 bytes)"))
        << size;
  }
}

TEST(RecordOptions, know_what_is_left_to_py_spy) {
  EXPECT_EQ(options_of({}).py_spy_path, "");
  EXPECT_EQ(options_of({"--py-spy-path", "/opt/py-spy"}).py_spy_path, "/opt/py-spy");
  EXPECT_THAT(error_of({"--py-spy-path", ""}), HasSubstr("--py-spy-path"));
  EXPECT_THAT(options_of({}).py_spy_pids, IsEmpty());
  EXPECT_THAT(
      options_of({"--python-pyspy-process", "30,20", "--python-pyspy-process", "20"}).py_spy_pids,
      ElementsAre(20, 30));
  for (const std::string list : {"", "0", "1,", "x", "-1"}) {
    EXPECT_THAT(error_of({"--python-pyspy-process", list}), HasSubstr("--python-pyspy-process"));
  }
}

TEST(RecordOptions, count_the_processes_of_python) {
  const std::string option = "--python-skip-pyperf-profiler-above";
  EXPECT_EQ(options_of({option, "0"}).max_python_processes, 0U);
  EXPECT_EQ(options_of({option, "200"}).max_python_processes, 200U);
  EXPECT_EQ(options_of({option, "2147483647"}).max_python_processes, 2147483647U);
  for (const std::string count : {"", "-1", "1.5", "two", "1 ", "2147483648"}) {
    EXPECT_THAT(error_of({option, count}), HasSubstr(option)) << count;
  }
}

TEST(RecordOptions, say_whose_profilers_run) {
  const RecordOptions plain = options_of({});
  EXPECT_TRUE(plain.has_ruby);
  EXPECT_FALSE(plain.has_php);
  EXPECT_FALSE(plain.has_dotnet);
  EXPECT_EQ(plain.php_filter, "php-fpm");
  EXPECT_FALSE(options_of({"--no-ruby"}).has_ruby);
  EXPECT_FALSE(options_of({"--ruby-mode", "disabled"}).has_ruby);
  EXPECT_FALSE(options_of({"--ruby-mode", "rbspy", "--no-ruby"}).has_ruby);
  EXPECT_TRUE(options_of({"--php-mode", "phpspy"}).has_php);
  EXPECT_FALSE(options_of({"--php-mode", "phpspy", "--no-php"}).has_php);
  EXPECT_TRUE(options_of({"--dotnet-mode", "dotnet-trace"}).has_dotnet);
  EXPECT_FALSE(options_of({"--dotnet-mode", "none"}).has_dotnet);
  EXPECT_EQ(options_of({"--php-proc-filter", "-x php"}).php_filter, "-x php");
  EXPECT_EQ(options_of({"--rbspy-path", "/a"}).rbspy_path, "/a");
  EXPECT_EQ(options_of({"--phpspy-path", "/b"}).phpspy_path, "/b");
  EXPECT_EQ(options_of({"--dotnet-trace-path", "/c"}).dotnet_trace_path, "/c");
}

TEST(RecordOptions, refuse_profilers_that_there_are_not) {
  EXPECT_EQ(error_of({"--ruby-mode", "pyspy"}),
            "--ruby-mode: \"pyspy\" is none of rbspy, disabled, none");
  EXPECT_EQ(error_of({"--rbspy-path", ""}), "--rbspy-path: \"\" is no file");
  EXPECT_EQ(error_of({"--php-proc-filter", "php;id"}),
            "--php-proc-filter: ';' in it would be read by a shell");
  EXPECT_EQ(error_of({"--php-proc-filter", ""}), "--php-proc-filter: it is empty");
}

TEST(RecordOptions, know_the_modes_of_node) {
  for (const std::string mode : {"perf", "disabled", "none"}) {
    (void)options_of({"--nodejs-mode", mode, "--no-nodejs"});
  }
  EXPECT_FALSE(options_of({}).attaches_node_maps);
  EXPECT_FALSE(options_of({"--nodejs-mode", "perf"}).attaches_node_maps);
  EXPECT_TRUE(options_of({"--nodejs-mode", "attach-maps"}).attaches_node_maps);
  EXPECT_TRUE(
      options_of({"--nodejs-mode", "attach-maps", "--perf-mode", "smart"}).attaches_node_maps);
  EXPECT_FALSE(options_of({"--nodejs-mode", "attach-maps", "--no-nodejs"}).attaches_node_maps);
  EXPECT_EQ(options_of({"--node-linux-perf-path", "/m"}).node_linux_perf_path, "/m");
  EXPECT_EQ(error_of({"--nodejs-mode", "attach-maps", "--perf-mode", "dwarf"}),
            "--nodejs-mode: attach-maps needs --perf-mode fp or smart");
  EXPECT_EQ(error_of({"--nodejs-mode", "perf", "--perf-mode", "dwarf"}),
            "--nodejs-mode: perf needs --perf-mode fp");
  EXPECT_EQ(error_of({"--nodejs-mode", "perf", "--perf-mode", "disabled"}),
            "--nodejs-mode: perf needs --perf-mode fp");
  EXPECT_EQ(error_of({"--nodejs-mode", "attach-maps", "--perf-mode", "none"}),
            "--nodejs-mode: attach-maps needs --perf-mode fp or smart");
  EXPECT_THAT(error_of({"--nodejs-mode", "x"}), HasSubstr("--nodejs-mode"));
}

TEST(RecordOptions, refuse_outputs_that_make_no_sense) {
  EXPECT_EQ(error_of({"-o", "a.svg"}), "--output: \"a.svg\" must end in .html or .col");
  EXPECT_EQ(error_of({"-o", "a.html", "-f", "col"}),
            "--format: col is against the ending of \"a.html\"");
  EXPECT_EQ(error_of({"-f", "99"}), "--format: \"99\" is none of html, col (the rate is -F)");
  EXPECT_EQ(error_of({"--pin", ""}), "--pin: \"\" is no directory");
  EXPECT_EQ(error_of({"-v", "--quiet"}), "--quiet: cannot go with --verbose");
}

TEST(RecordOptions, name_options_that_are_not_built_and_those_unknown) {
  EXPECT_EQ(error_of({"--output-dir", "/tmp"}), "--output-dir: not built yet");
  EXPECT_EQ(error_of({"-u"}), "-u: not built yet");
  EXPECT_EQ(error_of({"--perf-events=cycles"}), "--perf-events: not built yet");
  EXPECT_EQ(error_of({"--cgroups", "a"}),
            "unknown option \"--cgroups\" (see 'waggle record --help')");
}

TEST(RecordOptions, say_who_is_selected) {
  const RecordOptions options =
      options_of({"--cgroup", "web", "--cgroup", "db*", "--cgroup-exclude", "web/a", "--container",
                  "0af1", "--comm", "nginx", "--dry-run"});
  EXPECT_THAT(options.cgroups, ElementsAre("web", "db*"));
  EXPECT_THAT(options.excluded_cgroups, ElementsAre("web/a"));
  EXPECT_THAT(options.containers, ElementsAre("0af1"));
  EXPECT_THAT(options.comms, ElementsAre("nginx"));
  EXPECT_TRUE(options.is_dry_run);
  EXPECT_EQ(kernel_filter_of(options), "--cgroup");
  EXPECT_EQ(kernel_filter_of(options_of({"-p", "1"})), "");
  EXPECT_EQ(kernel_filter_of(options_of({"--comm", "a"})), "--comm");
}

TEST(RecordOptions, leave_perf_out_or_large_as_gprofiler_does) {
  EXPECT_FALSE(options_of({}).is_perf_disabled);
  EXPECT_TRUE(options_of({"--no-perf"}).is_perf_disabled);
  EXPECT_TRUE(options_of({"--no-perf", "--perf-mode", "dwarf"}).is_perf_disabled);
  EXPECT_TRUE(options_of({}).restarts_large_perf);
  EXPECT_FALSE(options_of({"--perf-no-memory-restart"}).restarts_large_perf);
  EXPECT_TRUE(options_of({"--insert-dso-name"}).shows_files);
}

TEST(RecordOptions, take_a_file_of_the_kernels_types) {
  EXPECT_EQ(error_of({"--btf", "/nonexistent"}), "--btf: /nonexistent: No such file or directory");
  EXPECT_EQ(error_of({"--btf", "/proc/version"}), "--btf: /proc/version has no BTF");
  if (::access("/sys/kernel/btf/vmlinux", R_OK) != 0) {
    GTEST_SKIP() << "this kernel has no types";
  }
  EXPECT_EQ(options_of({"--btf", "/sys/kernel/btf/vmlinux"}).btf_path, "/sys/kernel/btf/vmlinux");
  EXPECT_EQ(error_of({"--btf", "/sys/kernel/btf/vmlinux", "--engine", "fallback"}),
            "--btf: cannot go with --engine fallback, which needs no types");
}

TEST(RecordOptions, say_what_the_header_tells_of_the_host) {
  const RecordOptions usual = options_of({});
  EXPECT_TRUE(usual.has_metadata);
  EXPECT_TRUE(usual.has_metrics);
  EXPECT_EQ(usual.cloud, CloudAsking::where_it_is_one);
  const RecordOptions less =
      options_of({"--disable-metadata-collection", "--disable-metrics-collection"});
  EXPECT_FALSE(less.has_metadata);
  EXPECT_FALSE(less.has_metrics);
  EXPECT_EQ(less.cloud, CloudAsking::never);
  EXPECT_EQ(options_of({"--cloud-metadata"}).cloud, CloudAsking::always);
  EXPECT_EQ(options_of({"--no-cloud-metadata"}).cloud, CloudAsking::never);
  EXPECT_EQ(error_of({"--cloud-metadata", "--no-cloud-metadata"}),
            "--cloud-metadata: cannot go with --no-cloud-metadata");
  EXPECT_EQ(options_of({"--external-metadata", "/a"}).external_metadata, "/a");
  EXPECT_EQ(error_of({"--external-metadata", ""}), "--external-metadata: \"\" is no file");
  EXPECT_EQ(error_of({"--cloud-metadata", "--disable-metadata-collection"}),
            "--cloud-metadata: cannot go with --disable-metadata-collection");
}

TEST(RecordOptions, take_limits_as_gprofiler_names_them) {
  const RecordOptions usual = options_of({});
  EXPECT_EQ(usual.max_system_processes, 0U);
  EXPECT_EQ(usual.max_runtime_processes, 0U);
  EXPECT_EQ(usual.min_profiling_duration_s, 10);
  const RecordOptions limited =
      options_of({"--skip-system-profilers-above", "600", "--max-processes-runtime-profiler", "5",
                  "--min-profiling-duration", "30"});
  EXPECT_EQ(limited.max_system_processes, 600U);
  EXPECT_EQ(limited.max_runtime_processes, 5U);
  EXPECT_EQ(limited.min_profiling_duration_s, 30);
  for (const std::string name : {"--skip-system-profilers-above",
                                 "--max-processes-runtime-profiler", "--min-profiling-duration"}) {
    EXPECT_EQ(error_of({name, "0"}), "no error");
    for (const auto* const value : {"-1", "few", "", "1.5", "99999999999"}) {
      EXPECT_THAT(error_of({name, value}), HasSubstr(name + ": ")) << value;
    }
  }
}

TEST(RecordOptions, rank_cgroups) {
  EXPECT_FALSE(options_of({}).ranks_cgroups);
  const RecordOptions usual = options_of({"--perf-use-cgroups"});
  EXPECT_TRUE(usual.ranks_cgroups);
  EXPECT_EQ(usual.ranking.cgroups, 50U);
  EXPECT_EQ(usual.ranking.containers, 0U);
  EXPECT_EQ(kernel_filter_of(usual), "--perf-use-cgroups");
  const RecordOptions containers = options_of(
      {"--perf-use-cgroups", "--perf-max-cgroups", "0", "--perf-max-docker-containers", "7"});
  EXPECT_EQ(containers.ranking.cgroups, 0U);
  EXPECT_EQ(containers.ranking.containers, 7U);
  EXPECT_EQ(error_of({"--perf-use-cgroups", "--perf-max-cgroups", "0"}),
            "--perf-max-cgroups: 0 needs --perf-max-docker-containers, else nothing is left");
  EXPECT_EQ(error_of({"--perf-max-cgroups", "7"}), "--perf-max-cgroups: needs --perf-use-cgroups");
  EXPECT_EQ(error_of({"--perf-use-cgroups", "--cgroup", "a"}),
            "--perf-use-cgroups: cannot go with --cgroup");
  EXPECT_TRUE(options_of({"--perf-use-cgroups", "--engine", "fallback"}).ranks_cgroups);
  for (const auto* const value : {"-1", "many", "4097", ""}) {
    EXPECT_THAT(error_of({"--perf-use-cgroups", "--perf-max-cgroups", value}),
                HasSubstr("--perf-max-cgroups: "));
    EXPECT_THAT(error_of({"--perf-use-cgroups", "--perf-max-docker-containers", value}),
                HasSubstr("--perf-max-docker-containers: "));
  }
}

TEST(RecordOptions, take_containers_by_id_and_by_name) {
  EXPECT_TRUE(options_of({}).has_container_names);
  EXPECT_FALSE(options_of({"--disable-container-names"}).has_container_names);
  const RecordOptions options =
      options_of({"--container", "my-app_1.x", "--container-socket", "/run/a.sock", "--cri-socket",
                  "/run/b.sock", "--cri-socket", "/run/c.sock"});
  EXPECT_THAT(options.containers, ElementsAre("my-app_1.x"));
  EXPECT_THAT(options.container_sockets, ElementsAre("/run/a.sock"));
  EXPECT_THAT(options.cri_sockets, ElementsAre("/run/b.sock", "/run/c.sock"));
  EXPECT_THAT(options_of({"--container", "af", "--disable-container-names"}).containers,
              ElementsAre("af"));
}

TEST(RecordOptions, refuse_a_selection_that_makes_no_sense) {
  EXPECT_EQ(error_of({"--cgroup", ""}), "--cgroup: \"\" is no name");
  EXPECT_THAT(error_of({"--cgroup", std::string(5000, 'a')}),
              HasSubstr("is longer than a path can be"));
  EXPECT_EQ(error_of({"--comm", ""}), "--comm: \"\" is no name");
  EXPECT_THAT(error_of({"--container", "../app"}), HasSubstr("\"../app\" is neither an id nor"));
  EXPECT_THAT(error_of({"--container", "-app"}), HasSubstr("is neither an id nor a name"));
  EXPECT_EQ(error_of({"--container", ""}), "--container: \"\" is no name");
  EXPECT_THAT(error_of({"--container", "app", "--disable-container-names"}),
              HasSubstr("\"app\" is no id, and --disable-container-names"));
  EXPECT_EQ(error_of({"--container-socket", ""}), "--container-socket: \"\" is no name");
  EXPECT_THAT(error_of({"--container-socket", "/" + std::string(107, 'a')}),
              HasSubstr("longer than the path of a socket"));
  EXPECT_THAT(error_of({"--cri-socket", "/" + std::string(107, 'a')}),
              HasSubstr("--cri-socket: \"/aaaa"));
  EXPECT_EQ(error_of({"--cgroup", "a", "--", "true"}),
            "--cgroup: cannot go with a command after \"--\"");
  EXPECT_EQ(error_of({"--dry-run", "--", "true"}),
            "--dry-run: cannot go with a command after \"--\"");
  EXPECT_EQ(error_of({"-p", "1", "--", "true"}), "--pids: cannot go with a command after \"--\"");
  EXPECT_EQ(error_of({"--comm", "a", "--engine", "fallback"}),
            "--comm: cannot go with --engine fallback, which cannot tell");
  EXPECT_EQ(error_of({"--cgroup", "a", "--python-mode", "pyspy"}), "no error");
}

}  // namespace
}  // namespace waggle
