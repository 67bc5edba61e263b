// SPDX-License-Identifier: Apache-2.0
// What `waggle record --help` shows, and which options there are.  Not for what they mean:
// record_options.cpp.
#include <array>
#include <string_view>

#include "userspace/cli/options.h"
#include "userspace/cli/record_options.h"

namespace waggle {

namespace {

constexpr std::string_view kTargets = "What is profiled";
constexpr std::string_view kSampling = "How";
constexpr std::string_view kPython = "Python";
constexpr std::string_view kJava = "Java";
constexpr std::string_view kRuntimes = "Other languages";
constexpr std::string_view kOutput = "What is written";
constexpr std::string_view kOther = "Other";

constexpr auto kOptions = std::to_array<Option>({
    {.name = "pids",
     .letter = 'p',
     .value = "LIST",
     .group = kTargets,
     .help = "only these processes: 12 or 12,345; repeatable"},
    {.name = "children", .group = kTargets, .help = "with -p: also those forked later"},
    {.name = "cgroup",
     .value = "PATH",
     .group = kTargets,
     .help =
         "only this cgroup and those below it, v1 or v2: system.slice/web.service, a glob, or a "
         "path under /sys/fs/cgroup; repeatable"},
    {.name = "cgroup-exclude",
     .value = "PATH",
     .group = kTargets,
     .help = "not this cgroup, nor those below it, whatever else selects them; repeatable"},
    {.name = "container",
     .value = "ID|NAME",
     .group = kTargets,
     .help = "only this container, by the beginning of its id or by its name; repeatable, adds to "
             "--cgroup"},
    {.name = "container-socket",
     .value = "FILE",
     .group = kTargets,
     .help = "where Docker or Podman is asked for containers' names; repeatable; default: "
             "/run/docker.sock and /run/podman/podman.sock"},
    {.name = "cri-socket",
     .value = "FILE",
     .group = kTargets,
     .help = "where a runtime of Kubernetes is asked for them (CRI); repeatable; default: "
             "containerd's, k3s', CRI-O's and cri-dockerd's; with either option no other socket is "
             "asked"},
    {.name = "disable-container-names",
     .group = kTargets,
     .help = "ask no runtime: containers are shown by their ids"},
    {.name = "perf-use-cgroups",
     .group = kTargets,
     .help = "only the cgroups that use the most CPU, measured for a moment before the start"},
    {.name = "perf-max-cgroups",
     .value = "N",
     .group = kTargets,
     .help = "how many; 0: containers alone; default 50"},
    {.name = "perf-max-docker-containers",
     .value = "N",
     .group = kTargets,
     .help = "how many of them are containers, of any runtime, chosen before the others; default "
             "0: they are cgroups like others"},
    {.name = "comm",
     .value = "NAME",
     .group = kTargets,
     .help = "only processes of this name (ps -o comm); repeatable; who is chosen by process, "
             "cgroup and name must fit each"},
    {.name = "dry-run",
     .group = kTargets,
     .help = "list the processes that would be profiled now, and why; nothing else"},
    {.name = "duration",
     .letter = 'd',
     .alias = "profiling-duration",
     .value = "SECONDS",
     .group = kSampling,
     .help = "how long; default 10, or until COMMAND ends"},
    {.name = "frequency",
     .letter = 'F',
     .alias = "profiling-frequency",
     .value = "HZ",
     .group = kSampling,
     .help = "samples per second and CPU, 1 to 10,000; default 99"},
    {.name = "mode",
     .value = "MODE",
     .group = kSampling,
     .help = "what is counted: cpu, samples of what runs; allocation, the bytes that Java "
             "allocates, and nothing else; default cpu"},
    {.name = "engine",
     .value = "NAME",
     .group = kSampling,
     .help = "auto, ebpf or fallback; default auto"},
    {.name = "perf-path",
     .value = "FILE",
     .group = kSampling,
     .help = "perf of the fallback engine; default: beside waggle, then in PATH"},
    {.name = "perf-mode",
     .value = "MODE",
     .group = kSampling,
     .help = "how the fallback engine walks stacks: fp, dwarf, smart (two perfs, and of each "
             "process the deeper stacks), or disabled (runtimes' own stacks alone); default fp"},
    {.name = "no-perf", .group = kSampling, .help = "--perf-mode disabled"},
    {.name = "perf-no-memory-restart",
     .group = kSampling,
     .help = "perf goes on also where it has more than 200 MB of memory"},
    {.name = "perf-dwarf-stack-size",
     .value = "BYTES",
     .group = kSampling,
     .help = "of each stack with dwarf, a multiple of 8; default 8192, 65528 at most"},
    {.name = "skip-system-profilers-above",
     .value = "N",
     .group = kSampling,
     .help = "on a host with more than N processes only profilers of runtimes are started; "
             "default 0: no limit"},
    {.name = "max-processes-runtime-profiler",
     .value = "N",
     .group = kSampling,
     .help = "each profiler of a runtime takes the N processes that use the most CPU; default 0: "
             "no limit"},
    {.name = "min-profiling-duration",
     .value = "SECONDS",
     .group = kSampling,
     .help = "processes younger than that get no profiler of their runtime; default 10"},
    {.name = "profile-spawned-processes",
     .group = kSampling,
     .help = "also processes that begin meanwhile get one, once they are that old"},
    {.name = "cpu-budget",
     .value = "PERCENT",
     .group = kSampling,
     .help = "of one core, for all that waggle does; above it, files are read later, then sampling "
             "slows down, profilers of runtimes end, and sampling pauses; default 0: no limit"},
    {.name = "memory-budget",
     .value = "MB",
     .group = kSampling,
     .help = "for waggle and its BPF maps; above it sampling pauses; default 0: no limit"},
    {.name = "ring-size",
     .value = "KIB",
     .group = kSampling,
     .help = "size of each ring buffer, a power of two from 4 on; default 0: automatic"},
    {.name = "btf",
     .value = "FILE",
     .group = kSampling,
     .help = "the types of this very kernel, where it has none in /sys/kernel/btf: BTF, or an ELF "
             "file with BTF (pahole, or bpftool gen min_core_btf, makes it)"},
    {.name = "pin",
     .value = "DIR",
     .group = kSampling,
     .help = "pin programs and maps under DIR of a bpffs while it runs"},
    {.name = "unwind-cache",
     .value = "DIR",
     .group = kSampling,
     .help = "keep unwind tables in DIR, ready for the next start; 256 MiB at most"},
    {.name = "no-python", .group = kPython, .help = "native frames only, also in Python processes"},
    {.name = "python-mode",
     .value = "MODE",
     .group = kPython,
     .help =
         "who tells its functions: ebpf (or pyperf), pyspy, auto (pyspy where there is no ebpf) "
         "or disabled; default auto"},
    {.name = "py-spy-path",
     .value = "FILE",
     .group = kPython,
     .help = "py-spy, where it is needed; default: beside waggle, then in PATH"},
    {.name = "python-pyspy-process",
     .value = "LIST",
     .group = kPython,
     .help = "these processes of Python are left to py-spy; repeatable"},
    {.name = "python-lines",
     .value = "WHICH",
     .group = kPython,
     .help = "first: of the function; current: of what runs in it; default first"},
    {.name = "python-eval-frames",
     .group = kPython,
     .help = "keep the interpreter's own frames below those of Python"},
    {.name = "no-python-versions",
     .group = kPython,
     .help = "frames without the package that their file is of, [NAME==VERSION]"},
    {.name = "python-skip-pyperf-profiler-above",
     .value = "N",
     .group = kPython,
     .help =
         "N processes at most are walked by ebpf, the others are left to py-spy, or native with "
         "--python-mode ebpf; default 0: no limit"},
    {.name = "no-java", .group = kJava, .help = "native frames only, also in Java processes"},
    {.name = "java-mode",
     .value = "MODE",
     .group = kJava,
     .help =
         "who tells its methods: ap (async-profiler, where it is found) or disabled; default ap"},
    {.name = "async-profiler-path",
     .value = "FILE",
     .group = kJava,
     .help =
         "libasyncProfiler.so, or a directory that has it; default: beside waggle, then in PATH "
         "and the usual places"},
    {.name = "java-async-profiler-mode",
     .value = "MODE",
     .group = kJava,
     .help = "what async-profiler samples by: cpu; itimer, a timer of the process; wall, which "
             "counts threads that wait too; auto, cpu or else itimer; alloc, with --mode "
             "allocation; default auto"},
    {.name = "alloc-interval",
     .value = "SIZE",
     .group = kJava,
     .help = "with --mode allocation: one sample for so many bytes, on average; 512kb, 2mb, 1gb; "
             "default 2mb"},
    {.name = "java-async-profiler-args",
     .value = "STRING",
     .group = kJava,
     .help = "more options of async-profiler's agent: cstack=fp,jstackdepth=64"},
    {.name = "java-async-profiler-features",
     .value = "LIST",
     .group = kJava,
     .help = "of its walk: probesp (not of async-profiler 4.4), vtable, comptask; default "
             "probesp,vtable"},
    {.name = "java-async-profiler-mcache",
     .value = "N",
     .group = kJava,
     .help = "sessions that it remembers a method's name for, 0 to 255; default 30"},
    {.name = "java-async-profiler-safemode",
     .value = "BITS",
     .group = kJava,
     .help = "what its walk leaves out, 0 to 63; of async-profiler before 4.4; default 0"},
    {.name = "java-async-profiler-no-report-meminfo",
     .group = kJava,
     .help = "it is not asked what it takes of a JVM's memory, for -v"},
    {.name = "java-include-method-modifiers",
     .group = kJava,
     .help = "public static and the like before methods, by gProfiler's builds of async-profiler"},
    {.name = "java-line-numbers",
     .value = "WHICH",
     .group = kJava,
     .help = "none or line-of-function, by gProfiler's builds of async-profiler; default none"},
    {.name = "jattach-path",
     .value = "FILE",
     .group = kJava,
     .help = "a jattach that talks to JVMs; default: waggle does it itself"},
    {.name = "java-jattach-timeout",
     .value = "SECONDS",
     .group = kJava,
     .help = "how long a JVM may take for an answer; default 30"},
    {.name = "java-safemode",
     .value = "LIST",
     .value_if_none = "all",
     .group = kJava,
     .help =
         "when no JVM is touched any more: profiled-oom, profiled-signaled, hserr, general-oom, "
         "general-signaled, pid-in-kernel-messages; and which are not at all: "
         "java-extended-version-checks, ap-loaded-check (never touched anyway); without LIST "
         "all, --java-safemode= is none; default profiled-oom,profiled-signaled,hserr"},
    {.name = "java-no-version-check", .group = kJava, .help = "whatever version a JVM is of"},
    {.name = "java-full-hserr",
     .group = kJava,
     .help = "all that a JVM wrote of its crash while it was profiled, not an excerpt"},
    {.name = "no-ruby", .group = kRuntimes, .help = "native frames only, also in Ruby processes"},
    {.name = "ruby-mode",
     .value = "MODE",
     .group = kRuntimes,
     .help = "who tells its methods: rbspy, or disabled; default rbspy"},
    {.name = "rbspy-path",
     .value = "FILE",
     .group = kRuntimes,
     .help = "rbspy, where there is a Ruby; default: beside waggle, then in PATH"},
    {.name = "php-mode",
     .value = "MODE",
     .group = kRuntimes,
     .help = "who tells the functions of PHP: phpspy, or disabled; default disabled"},
    {.name = "no-php", .group = kRuntimes, .help = "as --php-mode disabled"},
    {.name = "php-proc-filter",
     .value = "ARGS",
     .group = kRuntimes,
     .help = "which processes phpspy looks into, as pgrep takes it; default php-fpm"},
    {.name = "phpspy-path",
     .value = "FILE",
     .group = kRuntimes,
     .help = "phpspy, with --php-mode phpspy; default: beside waggle, then in PATH"},
    {.name = "dotnet-mode",
     .value = "MODE",
     .group = kRuntimes,
     .help = "who tells the methods of .NET: dotnet-trace, or disabled; default disabled"},
    {.name = "no-dotnet", .group = kRuntimes, .help = "as --dotnet-mode disabled"},
    {.name = "dotnet-trace-path",
     .value = "FILE",
     .group = kRuntimes,
     .help = "dotnet-trace, with --dotnet-mode dotnet-trace; default: beside waggle, then in PATH"},
    {.name = "nodejs-mode",
     .value = "MODE",
     .group = kRuntimes,
     .help =
         "perf: the perf map of a node --perf-basic-prof names its functions; attach-maps: every "
         "running node is made to write one, by npm's linux-perf through its inspector; disabled: "
         "nothing is done for node, whose map is read all the same; default disabled"},
    {.name = "node-linux-perf-path",
     .value = "PATH",
     .group = kRuntimes,
     .help = "linux-perf.node, or a directory that has it, also as glibc/20/linux-perf.node for "
             "node 20, with --nodejs-mode attach-maps; default: beside waggle, then in PATH and "
             "the usual places"},
    {.name = "no-nodejs", .group = kRuntimes, .help = "as --nodejs-mode disabled"},
    {.name = "output",
     .letter = 'o',
     .value = "FILE",
     .group = kOutput,
     .help = "the ending chooses: .html or .col; - is stdout; repeatable; default "
             "waggle_<UTC end>.html"},
    {.name = "format",
     .letter = 'f',
     .value = "FORMAT",
     .group = kOutput,
     .help = "html or col; default html, col with -o -"},
    {.name = "threads", .group = kOutput, .help = "one more frame per stack: the thread's name"},
    {.name = "insert-dso-name",
     .group = kOutput,
     .help = "the file of each native function behind its name: malloc (libc.so.6)"},
    {.name = "disable-metadata-collection",
     .group = kOutput,
     .help = "no system, CPU or memory in the header of a .col file, only the host's name"},
    {.name = "disable-metrics-collection",
     .group = kOutput,
     .help = "not how busy the host's CPUs and memory were"},
    {.name = "disable-application-metadata",
     .group = kOutput,
     .help = "not which program, runtime and version each process is; no first column in a .col "
             "file"},
    {.name = "disable-application-identifiers",
     .group = kOutput,
     .help = "no frame that tells which application an interpreter or a JVM runs"},
    {.name = "app-id-args-filter",
     .value = "REGEX",
     .group = kOutput,
     .help = "arguments of a JVM that such a frame is to show, extended as grep -E; repeatable"},
    {.name = "java-collect-spark-app-name-as-appid",
     .group = kOutput,
     .help = "the name of Spark's application in the frame of its executors"},
    {.name = "java-collect-jvm-flags",
     .value = "WHICH",
     .group = kOutput,
     .help = "which -XX flags of a JVM's command line are told: default, none, or a list of names"},
    {.name = "cloud-metadata",
     .group = kOutput,
     .help = "ask the cloud's own service (169.254.169.254) what machine this is, also where the "
             "machine's tables (DMI) do not say that it is of AWS, GCP or Azure"},
    {.name = "no-cloud-metadata", .group = kOutput, .help = "ask no cloud in any case"},
    {.name = "external-metadata",
     .value = "FILE",
     .group = kOutput,
     .help =
         R"(JSON {"static": {...}, "application": {"PID": {...}}} for the header; no older than five )"
         "minutes"},
    {.name = "quiet", .group = kOther, .help = "only errors on stderr"},
    {.name = "verbose", .letter = 'v', .group = kOther, .help = "more messages on stderr"},
});

constexpr auto kExamples = std::to_array<Example>({
    {"waggle record", "the whole host for 10 seconds, a flame graph in this folder"},
    {"waggle record -d 30 -F 499 -o host.html -o host.col",
     "half a minute, finer, the flame graph and its stacks as text"},
    {"waggle record -p 1234 --children -o -", "one process and what it forks, stacks to stdout"},
    {"waggle record --cgroup 'kubepods*' --cgroup-exclude kubepods/besteffort",
     "the host's pods but for some of them"},
    {"waggle record -o build.html -- make -j8", "a command and its descendants, from start to end"},
});

}  // namespace

std::span<const Option> recording_options() {
  return kOptions;
}

const Syntax& record_syntax() {
  static constexpr Syntax kSyntax = {
      .verb = "record",
      .purpose =
          "Samples the stacks of the whole host, of some processes or of one command, and "
          "writes a flame graph. Needs root or CAP_BPF and CAP_PERFMON; without BTF or BPF, perf "
          "and CAP_PERFMON.",
      .takes_command = true,
      .options = kOptions,
      .examples = kExamples,
      .exit_statuses =
          "  0  ok; Ctrl-C and SIGTERM stop, write and are ok\n"
          "  1  failure: a target, a command or an output that cannot be had\n"
          "  2  usage: an option, a value or an argument is wrong\n"
          "  3  a privilege or a kernel feature is missing; the message names it\n"
          "  4  no samples, so no file\n",
  };
  return kSyntax;
}

}  // namespace waggle
