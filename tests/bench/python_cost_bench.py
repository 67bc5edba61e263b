#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a Python frame costs in the kernel.

    python_cost_bench.py WAGGLE [SECONDS [HZ [INTERPRETER...]]]

For each interpreter (default: the one that runs this, and all of pyenv) two processes, one on each
CPU, stand in a recursion of 10, 100 and 500 calls; `waggle record` samples them for SECONDS (2) at
HZ (999), with Python frames and without them, in turns.  Prints nanoseconds of a run of cpu_on_tick
by the kernel's own clock (kernel.bpf_stats_enabled), and what a call costs: the difference between
500 calls and 100, by 400.  Up to 3.10 a call has native frames of its own as well, and they are in
that figure.  Needs root and bpftool.
"""
import glob
import json
import os
import subprocess
import sys
import time

DEPTHS = (10, 100, 500)
TURNS = 3
STATS = "/proc/sys/kernel/bpf_stats_enabled"
PROGRAM = """
import sys
def burn():
    sys.stdout.write("ready\\n")
    sys.stdout.flush()
    x = 0
    while True:
        x = (x + 1) % 1000
def recurse(depth):
    if depth > 1:
        return recurse(depth - 1)
    return burn()
sys.setrecursionlimit(5000)
recurse(int(sys.argv[1]))
"""


class Targets:
    """One process on each CPU, all at one depth."""

    def __init__(self, interpreter, depth):
        self.processes = []
        for cpu in sorted(os.sched_getaffinity(0)):
            process = subprocess.Popen([interpreter, "-c", PROGRAM, str(depth)],
                                       stdout=subprocess.PIPE)
            process.stdout.readline()
            os.sched_setaffinity(process.pid, [cpu])
            self.processes.append(process)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()


def programs_of(pid):
    """Numbers of the BPF programs that a process holds."""
    found = set()
    for path in glob.glob(f"/proc/{pid}/fdinfo/*"):
        with open(path, encoding="ascii") as file:
            found.update(int(line.split()[1]) for line in file if line.startswith("prog_id:"))
    return found


def sampling_program(recorder):
    """Runs and nanoseconds of the cpu_on_tick that this process has loaded."""
    shown = subprocess.run(["bpftool", "-j", "prog", "show", "name", "cpu_on_tick"],
                           stdout=subprocess.PIPE, check=True).stdout
    programs = json.loads(shown)
    mine = programs_of(recorder)
    for program in programs if isinstance(programs, list) else [programs]:
        if program["id"] in mine:
            return program.get("run_cnt", 0), program.get("run_time_ns", 0)
    return 0, 0


def nanoseconds_a_run(waggle, targets, seconds, rate, options):
    pids = ",".join(str(process.pid) for process in targets.processes)
    recorder = subprocess.Popen([waggle, "record", "-d", str(seconds + 1), "-F", str(rate), "-p",
                                 pids, "-o", "-", "-f", "col", "--quiet", *options],
                                stdout=subprocess.DEVNULL)
    time.sleep(0.7)  # tables and names are there
    count, spent = sampling_program(recorder.pid)
    time.sleep(seconds - 0.5)
    count_after, spent_after = sampling_program(recorder.pid)
    recorder.wait()
    if count_after == count:
        raise SystemExit("cpu_on_tick did not run, or bpftool cannot tell whose it is")
    return (spent_after - spent) / (count_after - count)


def median(values):
    return sorted(values)[len(values) // 2]


def measure(waggle, interpreter, seconds, rate):
    costs = {}
    for depth in DEPTHS:
        with Targets(interpreter, depth) as targets:
            turns = [(nanoseconds_a_run(waggle, targets, seconds, rate, []),
                      nanoseconds_a_run(waggle, targets, seconds, rate, ["--no-python"]))
                     for _ in range(TURNS)]
        costs[depth] = [median(side) for side in zip(*turns)]
    version = subprocess.run([interpreter, "-c", "import sys; print(sys.version.split()[0])"],
                             stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    a_call = (costs[500][0] - costs[100][0]) / 400
    figures = "  ".join(f"{costs[depth][0]:7.0f} {costs[depth][1]:7.0f}" for depth in DEPTHS)
    print(f"{version:9}  {figures}  {a_call:6.0f}", flush=True)


def main():
    waggle = sys.argv[1]
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 2
    rate = int(sys.argv[3]) if len(sys.argv) > 3 else 999
    interpreters = sys.argv[4:] or [sys.executable, *sorted(
        glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin/python")))]
    with open(STATS, encoding="ascii") as file:
        before = file.read()
    print(f"load average {open('/proc/loadavg', encoding='ascii').read().strip()}, {rate} Hz")
    print("ns a sample, with Python frames and without")
    print(f"{'version':9}  " + "  ".join(f"{depth:>6} calls   " for depth in DEPTHS) + "  a call")
    try:
        with open(STATS, "w", encoding="ascii") as file:
            file.write("1")
        for interpreter in interpreters:
            measure(waggle, interpreter, int(seconds), rate)
    finally:
        with open(STATS, "w", encoding="ascii") as file:
            file.write(before)


if __name__ == "__main__":
    main()
