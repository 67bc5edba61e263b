# SPDX-License-Identifier: Apache-2.0
"""What a recording costs the host: record_cost_bench.py WAGGLE RECURSION START_BENCH [SECONDS [RUNS]].

start   from just before fork and exec to the header's start_time, which is taken when all events
        run, plus one period: by then a busy CPU has been sampled.  One process burns meanwhile, so
        that there is something to sample.  START_BENCH tells the parts.
memory  peak RSS and bytes of BPF maps, as the header has them; each map, while waggle records.
CPU     of `waggle record` and of `perf record -F 99 -a -g` with `perf script > /dev/null` after it,
        by wait4.  Both record at the same time, so they see the same load: two processes 30 frames
        deep, then two C++ compilers, which are started again and again.

Prints; judges nothing.  Exit 77: no perf, or no root.
"""
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RATE_HZ = 99
START_BUDGET_MS = 250
CPU_BUDGET = 1 / 20
SOURCE = "#include <algorithm>\n#include <map>\n#include <regex>\nint main() { return std::regex(\"a*b\").flags(); }\n"


class Load:
    """Keeps both CPUs busy until it is closed."""

    def __init__(self, commands):
        self.children = [subprocess.Popen(c, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                          start_new_session=True) for c in commands]
        time.sleep(0.5)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in self.children:
            os.killpg(child.pid, 9)
            child.wait()


def run(command, **how):
    """(CPU seconds in user mode, in the kernel) of a command and its children."""
    child = subprocess.Popen(command, **how)
    return finish(child)


def finish(child):
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{child.args[0]} {child.args[1]}: exit status {child.returncode}")
    return usage.ru_utime, usage.ru_stime


def header_of(path):
    with open(path, encoding="utf-8") as file:
        return json.loads(file.readline()[2:])["waggle"]


def print_start(waggle, directory, runs):
    """From exec to the first sample of a busy CPU; the CPU time of a recording that is as good as
    empty, which is the part that does not grow with the samples."""
    path = f"{directory}/start.col"
    took, cpu = [], []
    for _ in range(runs):
        begin = time.time()
        cpu.append(run([waggle, "record", "--quiet", "-d", "1", "-o", path]))
        took.append((header_of(path)["start_time"] - begin) * 1e3 + 1e3 / RATE_HZ)
    print(f"start to first sample: {statistics.median(took):.0f} ms, median of {runs} "
          f"({min(took):.0f} to {max(took):.0f}; budget {START_BUDGET_MS})")
    user, system = (statistics.median(one) for one in zip(*cpu))
    print(f"CPU of a recording of 1 s: {user:.3f} s user, {system:.3f} s kernel")


def maps_of(pid):
    """Map id -> bytes of the BPF maps that a process holds (fdinfo's memlock, as bpftool shows)."""
    maps = {}
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            text = entry.read_text()
        except FileNotFoundError:  # closed meanwhile
            continue
        found = dict(re.findall(r"^(map_id|memlock):\s+(\d+)$", text, re.MULTILINE))
        if "map_id" in found:
            maps[int(found["map_id"])] = int(found["memlock"])
    return maps


def describe_map(number):
    shown = subprocess.run(["bpftool", "-j", "map", "show", "id", str(number)], check=True,
                           capture_output=True, text=True)
    return json.loads(shown.stdout)


def print_maps(pid):
    maps = maps_of(pid)
    print(f"\n  {'map':<18}{'type':<16}{'entries':>8}{'KiB':>8}")
    for number, size in sorted(maps.items(), key=lambda item: -item[1]):
        known = describe_map(number)
        print(f"  {known.get('name', '?'):<18}{known.get('type', '?'):<16}"
              f"{known['max_entries']:>8}{size / 1024:>8.1f}")
    print(f"  {'sum':<42}{sum(maps.values()) / 1024:>8.1f}\n")


def measure_cpu(waggle, directory, seconds, shows_maps):
    """waggle and perf over the same time: their CPU seconds, and the samples of each."""
    col, data = f"{directory}/cpu.col", f"{directory}/perf.data"
    perf = subprocess.Popen(["perf", "record", "-F", str(RATE_HZ), "-a", "-g", "-o", data, "--",
                             "sleep", str(seconds)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    ours = subprocess.Popen([waggle, "record", "--quiet", "-d", str(seconds), "-o", col])
    if shows_maps:
        time.sleep(min(1.0, seconds / 2))
        print_maps(ours.pid)
    waggle_cpu = finish(ours)
    said = perf.stderr.read().decode()
    perf_cpu = finish(perf)
    script_cpu = run(["perf", "script", "-i", data], stdout=subprocess.DEVNULL,
                     stderr=subprocess.DEVNULL)
    perf_samples = re.search(r"\((\d+) samples\)", said)
    return {"waggle": waggle_cpu, "perf record": perf_cpu, "perf script": script_cpu,
            "perf samples": int(perf_samples[1]) if perf_samples else 0, "facts": header_of(col)}


def print_cpu(name, measured):
    facts = measured["facts"]
    print(f"{name}: {facts['samples']} samples of waggle, {measured['perf samples']} of perf; "
          f"RSS {facts['overhead']['rss_bytes'] / 2**20:.1f} MiB, "
          f"maps {facts['overhead']['bpf_map_bytes'] / 2**20:.2f} MiB, lost {facts['lost']}")
    for who in ("waggle", "perf record", "perf script"):
        user, system = measured[who]
        print(f"  {who:<14}{user:>8.3f} s user {system:>8.3f} s kernel")
    theirs = [sum(both) for both in zip(measured["perf record"], measured["perf script"])]
    user, system = measured["waggle"]
    ratio = user / theirs[0] if theirs[0] else float("inf")
    total = (user + system) / sum(theirs)
    print(f"  user CPU, waggle to perf: {ratio:.3f} (budget {CPU_BUDGET}: "
          f"{'held' if ratio <= CPU_BUDGET else 'NOT HELD'}); user and kernel: {total:.3f}")


def print_load_average():
    print("load average", Path("/proc/loadavg").read_text().strip())


def main(waggle, recursion, start_bench, seconds=10, runs=5):
    if shutil.which("perf") is None or os.geteuid() != 0:
        print("skipped: needs perf (Debian: linux-perf) and root")
        return 77
    sys.stdout.reconfigure(line_buffering=True)  # START_BENCH prints in between
    print_load_average()
    with tempfile.TemporaryDirectory(prefix="waggle-bench-") as directory:
        with Load([[recursion, "30"]]):
            print_start(waggle, directory, runs)
        subprocess.run([start_bench], check=True)
        source = f"{directory}/source.cpp"
        Path(source).write_text(SOURCE)
        compile_loop = ["sh", "-c", f"while :; do g++ -O2 -o /dev/null {source}; done"]
        for name, command in (("recursion", [recursion, "30"]), ("g++", compile_loop)):
            with Load([command, command]):
                print_cpu(name, measure_cpu(waggle, directory, seconds, name == "recursion"))
    print_load_average()
    return 0


if __name__ == "__main__":
    if not 4 <= len(sys.argv) <= 6:
        sys.exit("usage: record_cost_bench.py WAGGLE RECURSION START_BENCH [SECONDS [RUNS]]")
    sys.exit(main(*sys.argv[1:4], *map(int, sys.argv[4:])))
