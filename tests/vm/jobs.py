# SPDX-License-Identifier: Apache-2.0
"""What every kernel of the matrix must do: one Job each, run in order in one guest.

To add one: append it to JOBS.  Its shell runs in the guest (busybox sh -e, the files in PATH), its
check reads what the shell printed, on the host.  A job that changes the guest for good (lockdown)
comes last.  Not for how guests run: guest.py.
"""

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


class CheckFailed(Exception):
    """The output is not what it must be; the text says in what."""


@dataclass(frozen=True)
class Job:
    name: str
    files: tuple[str, ...]  # in the build tree, or an absolute path
    shell: str
    check: Callable[[str, Path], None]  # output, build tree; raises CheckFailed
    timeout_s: int  # emulation on a busy machine is slow; twice the sum must fit ctest's limit
    # Of this machine, which may lack them: the job is skipped then.
    outside: tuple[Path, ...] = ()


def require(condition: bool, complaint: str) -> None:
    if not condition:
        raise CheckFailed(complaint)


# ---- every object loads ----------------------------------------------------------------------


@dataclass(frozen=True)
class LoadedProgram:
    object_name: str
    program: str
    instruction_count: int  # 0: the kernel does not tell (before 5.16)


def loaded_programs(output: str) -> list[LoadedProgram]:
    lines = re.findall(r"^object (\S+): (\S+) verified (\d+) instructions$", output, re.M)
    return [LoadedProgram(name, program, int(count)) for name, program, count in lines]


def check_load(output: str, build: Path) -> None:
    programs = loaded_programs(output)
    built = {path.name.removesuffix(".bpf.o") for path in (build / "skel").glob("*.bpf.o")}
    missing = built - {program.object_name for program in programs}
    require(bool(built), f"{build / 'skel'} holds no BPF object")
    require(not missing, f"not loaded: {', '.join(sorted(missing))}")


# ---- the programs of tests/kernel ------------------------------------------------------------


def check_gtest(output: str, _build: Path) -> None:
    passed = re.search(r"^\[  PASSED  \] (\d+) tests?\.$", output, re.M)
    require(passed is not None and int(passed.group(1)) > 0, "no test ran")


def check_cgroups(output: str, build: Path) -> None:
    check_gtest(output, build)
    require("SKIPPED" not in output, "a test found no hierarchy to make cgroups in")


# v2, and every controller of v1 that this kernel has; all have the first.
CGROUPS = """
mkdir -p /tmp/cgroup/v2 && mount -t cgroup2 none /tmp/cgroup/v2
mkdir -p /tmp/cgroup/cpu && mount -t cgroup -o cpu none /tmp/cgroup/cpu
for controller in cpuacct memory pids cpuset blkio devices freezer perf_event; do
  mkdir -p /tmp/cgroup/$controller
  mount -t cgroup -o $controller none /tmp/cgroup/$controller || echo "no $controller in v1"
done
cgroup_selection_test
"""


# For what only some kernels have: the tests say why they are skipped.
def check_gtest_or_skipped(output: str, build: Path) -> None:
    if not re.search(r"^\[  SKIPPED \] \d+ tests?, listed below:$", output, re.M):
        check_gtest(output, build)


# Emulated CPUs do not keep the time that this test holds the sampler to: 6 to 8 % are missing.
CPU_SAMPLER_TEST = "cpu_sampler_test --gtest_filter=-*takes_the_samples_that_the_rate_promises"

# ---- recordings ------------------------------------------------------------------------------

COLLAPSED_MARK = "@@collapsed"
RECURSION_DEPTH = 30
FEW_SAMPLES = 20  # a guest on a busy machine gets a part of its time only


@dataclass(frozen=True)
class Stack:
    comm: str
    frames: str  # root;…;leaf
    count: int


def read_header(output: str) -> dict:
    """What the header of the .col text after the mark says of the recording."""
    _, found, text = output.partition(COLLAPSED_MARK + "\n")
    require(bool(found) and text.startswith("#"), "there is no .col text with a header line")
    return json.loads(text.splitlines()[0].removeprefix("#"))["waggle"]


def read_collapsed(output: str) -> list[Stack]:
    """The stacks of the .col text after the mark; its header must account for every sample."""
    header = read_header(output)
    lines = output.partition(COLLAPSED_MARK + "\n")[2].strip().splitlines()[1:]
    stacks = []
    for line in lines:
        columns, _, count = line.rpartition(" ")
        _, _, comm, *frames = columns.split(";")
        if frames and frames[0].startswith("appid: "):
            del frames[0]
        stacks.append(Stack(comm, ";".join(frames), int(count)))
    written, lost = sum(stack.count for stack in stacks), sum(header["lost"].values())
    samples, added = header["samples"], header["added"]
    require(samples > 0, "no sample was taken")
    require(written + lost == samples + added,
            f"{written} in lines + {lost} lost is not {samples} samples + {added} added")
    return stacks


def count_of(stacks: list[Stack], comm: str, frames: str = "") -> int:
    return sum(stack.count for stack in stacks if stack.comm == comm and frames in stack.frames)


def check_record(output: str, _build: Path) -> None:
    stacks = read_collapsed(output)
    stack = "main;" + "recurse;" * RECURSION_DEPTH + "burn"
    known, taken = count_of(stacks, "recursion", stack), count_of(stacks, "recursion")
    require(taken >= FEW_SAMPLES, f"{taken} samples of recursion, of about 290")
    require(known >= 0.8 * taken, f"{known} of {taken} samples of recursion show its stack")


def check_btf_file(output: str, build: Path) -> None:
    header = read_header(output)
    require(header["engine"] == "ebpf" and "/tmp/types" in header["engine_reason"],
            f"the engine is {header['engine']}: {header['engine_reason']}")
    check_record(output, build)


def check_hotplug(output: str, _build: Path) -> None:
    stacks = read_collapsed(output)
    before, after = (count_of(stacks, comm) for comm in ("before_offline", "after_online"))
    require(before >= FEW_SAMPLES, f"cpu1 gave {before} samples before it left, of about 200")
    require(after >= FEW_SAMPLES, f"cpu1 gave {after} samples after it came back, of about 450")


# What waggle says when it does not wait any longer for perf.
TOO_SLOW = ("does not begin to sample", "had to be killed", "took too long", "did not end on SIGINT")


def check_fallback(output: str, _build: Path) -> None:
    if "[  SKIPPED ] fallback" in output:
        reasons = [line for line in output.splitlines() if line.startswith("waggle: error:")]
        require(len(reasons) == 3 and all(any(slow in line for slow in TOO_SLOW) for line in reasons),
                f"refused, and not because perf is slow: {reasons}")
        return
    header, stacks = read_header(output), read_collapsed(output)
    require(header["engine"] == "fallback" and "BTF" in header["engine_reason"],
            f"the engine is {header['engine']}: {header['engine_reason']}")
    # Emulated, perf may not be at its end three seconds after it was asked to be.
    perf, py_spy = header["tools"]["perf"], header["tools"]["py-spy"]
    require(perf == "ok" or "did not end on SIGINT" in perf, f"perf: {perf}")
    require(py_spy == "ok", f"py-spy: {py_spy}")
    for comm, frames in (("recursion", "main;" + "recurse;" * RECURSION_DEPTH + "burn"),
                         ("python3.11", "spend_first (/programs/shares.py:")):
        known, taken = count_of(stacks, comm, frames), count_of(stacks, comm)
        require(known >= FEW_SAMPLES // 4, f"{known} of {taken} samples of {comm} show {frames}")


def check_refusal(cause: str) -> Callable[[str, Path], None]:
    """A recording that cannot be: exit status 3, a line that names the cause, and no file."""

    def check(output: str, _build: Path) -> None:
        lines = output.strip().splitlines()
        require(lines[-1:] == ["status 3, no file"], "the recording was not refused with status 3")
        require(any(cause in line for line in lines[:-1]), f"the message does not name {cause}")

    return check


def record_of(program: str) -> str:
    return f"""
waggle record -d 3 -F 99 -o /tmp/record.col -- {program} {RECURSION_DEPTH}
echo {COLLAPSED_MARK}
cat /tmp/record.col
"""


# The kernel's types are in a file alone.  By cgroup: that way of the BPF programs reads the most of
# the kernel.
BTF_FILE = f"""
cp /sys/kernel/btf/vmlinux /tmp/types
mkdir -p /tmp/types_cgroup && mount -t cgroup2 none /tmp/types_cgroup && mkdir /tmp/types_cgroup/one
recursion {RECURSION_DEPTH} >/dev/null &
recursion=$!
echo $recursion > /tmp/types_cgroup/one/cgroup.procs
hide='mount -t tmpfs hidden /sys/kernel/btf'
unshare -m sh -ec "$hide; exec waggle record --btf /tmp/types -d 3 -F 99 --cgroup one -o /tmp/types.col"
kill $recursion
echo {COLLAPSED_MARK}
cat /tmp/types.col
rm /tmp/types
"""

# Each busy program has a name of its own and runs on cpu1 alone.
HOTPLUG = f"""
online=/sys/devices/system/cpu/cpu1/online
for name in before_offline after_online; do cp /programs/recursion /tmp/$name; done
taskset 2 /tmp/before_offline {RECURSION_DEPTH} &
busy=$!
waggle record -d 8 -F 99 -o /tmp/hotplug.col &
recorder=$!
until ls -l /proc/$recorder/fd 2>/dev/null | grep -q perf_event; do
  kill -0 $recorder # it ended: so does the job
  usleep 100000
done
sleep 2
kill $busy
echo 0 > $online
sleep 1
echo 1 > $online
taskset 2 /tmp/after_online {RECURSION_DEPTH} &
wait $recorder
echo {COLLAPSED_MARK}
cat /tmp/hotplug.col
"""

# Without BTF perf samples and py-spy tells Python's functions; Python has no library of its own but
# what it needs to start.
PERF, PYTHON = Path("/usr/bin/perf"), Path("/usr/bin/python3.11")
PY_SPY = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "waggle-test/py-spy"
PYTHON_FILES = tuple(Path("/usr/lib/python3.11/encodings") / name
                     for name in ("__init__.py", "aliases.py", "utf_8.py", "ascii.py"))
SHARES = Path(__file__).resolve().parents[1] / "programs/python_life/shares.py"
# Emulated, perf needs seconds to start and to read its data: little else runs meanwhile, and where it
# needs longer than waggle waits for it, it is tried again.
FALLBACK = f"""
mkfifo /tmp/begun
export PYTHONHOME=/usr
python3.11 -S -B /programs/shares.py >/tmp/begun &
python=$!
read begun </tmp/begun
recursion {RECURSION_DEPTH} >/tmp/begun &
recursion=$!
read begun </tmp/begun
hide='mount -t tmpfs hidden /sys/kernel/btf'
find_perf() {{
  for process in /proc/[0-9]*; do
    if grep -q -e --pid= $process/cmdline 2>/dev/null; then echo $process; fi
  done
}}
record() {{
  kill -STOP $python $recursion
  unshare -m sh -ec "$hide; exec waggle record -d 8 -F 49 -o /tmp/fallback.col -p $python,$recursion" &
  recorder=$!
  perf=
  while kill -0 $recorder 2>/dev/null && [ -z "$perf" ]; do
    usleep 100000
    perf=$(find_perf)
  done
  kill -CONT $python $recursion
  while [ -n "$perf" ] && readlink $perf/exe >/dev/null; do usleep 100000; done
  kill -STOP $recursion # not Python: a profiler that leaves it stopped is complained of
  wait $recorder
}}
record || record || record || {{
  printf ': Skipped\\n%s\\n\\n[  SKIPPED ] fallback (\\n' "perf is slower here than waggle waits for it"
  exit 0
}}
echo {COLLAPSED_MARK}
cat /tmp/fallback.col
"""

# After either: REFUSED.  Without the perf of another job.
HIDE_PERF = """
[ ! -e /programs/perf ] || mv /programs/perf /programs/no_perf
"""
HIDE_BTF = HIDE_PERF + """
hide='mount -t tmpfs hidden /sys/kernel/btf'
unshare -m sh -ec "$hide; waggle record -d 1 -o /tmp/refused.col" || status=$?
"""
LOCK_DOWN = """
mount -t securityfs security /sys/kernel/security
echo confidentiality > /sys/kernel/security/lockdown
waggle record -d 1 -o /tmp/refused.col || status=$?
"""
REFUSED = """
[ -e /tmp/refused.col ] && file="a file" || file="no file"
echo "status ${status:-0}, $file"
"""

STACKS_PROGRAMS = (
    "recursion_no_fp", "recursion_no_fp_clang", "recursion_no_fp_static",
    "recursion_no_fp_static_pie", "signals", "signals_static", "borrowers", "clones", "frames",
    "frames_cet", "frames_clang", "callbacks", "moved", "swapped", "liblibrary_first.so",
    "liblibrary_second.so", "rusty", "gopher", "gopher_stripped", "gopher_pie",
    "gopher_linked", "narrow")
STACKS_FILES = ("tests/e2e/unwind/unwind_test", "waggle",
                *(f"tests/programs/{program}" for program in STACKS_PROGRAMS))
# Not those whose counts are about how fast tables are there, nor 50 threads on two emulated CPUs,
# nor what differs between C libraries.
STACKS_LEFT_OUT = "*throw*:*Damaged*:*vdso*:*lazy*:*become_other*:Musl.*"
STACKS = f"WAGGLE_TEST_SLOW_CPU=1 unwind_test --gtest_filter=-{STACKS_LEFT_OUT}"

JOBS = (
    Job("load", ("tests/kernel/load_test",), "load_test", check_load, timeout_s=60),
    Job("stream", ("tests/kernel/attach/kernel_attach_test", "/bin/true"), "kernel_attach_test",
        check_gtest, timeout_s=60),
    Job("sampler", ("tests/kernel/cpu_sampler_test", "tests/programs/recursion"), CPU_SAMPLER_TEST,
        check_gtest, timeout_s=150),
    Job("cgroups", ("tests/kernel/select/cgroup_selection_test", "tests/programs/recursion"),
        CGROUPS, check_cgroups, timeout_s=300),
    Job("mappings", ("tests/kernel/mapping_change_test",), "mapping_change_test",
        check_gtest_or_skipped, timeout_s=60),
    Job("record", ("waggle", "tests/programs/recursion"), record_of("recursion"), check_record,
        timeout_s=60),
    Job("btf_file", ("waggle", "tests/programs/recursion"), BTF_FILE, check_btf_file,
        timeout_s=60),
    Job("stacks", STACKS_FILES, STACKS, check_gtest, timeout_s=240),
    Job("hotplug", ("waggle", "tests/programs/recursion"), HOTPLUG, check_hotplug, timeout_s=60),
    Job("fallback", ("waggle", "tests/programs/recursion"), FALLBACK, check_fallback,
        timeout_s=240, outside=(PERF, PYTHON, PY_SPY, SHARES, *PYTHON_FILES)),
    Job("no_btf", ("waggle",), HIDE_BTF + REFUSED, check_refusal("BTF"), timeout_s=30),
    Job("lockdown", ("waggle",), LOCK_DOWN + REFUSED, check_refusal("lockdown"), timeout_s=30),
)
