#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How much slower a Python program runs while it is profiled.

    python_slowdown_bench.py WAGGLE PY_SPY [SECONDS [PAIRS [INTERPRETER...]]]

A program in calls 20 deep counts what it gets done in SECONDS (3) of wall time, on one CPU: alone,
under `waggle record` and under `py-spy record` as it is by default, both at 99 Hz, in turns.  Each
profiled run stands between two runs alone and is compared with their mean; PAIRS (7) of each.
Prints the median of these ratios of work done, and the least and the greatest: by wall time, and by
the program's own CPU time, which a busy host spoils less but in which no stop shows.  1 is no
difference.  PY_SPY "-": without.  Default interpreter: the one that runs this.
"""
import json
import os
import subprocess
import sys
import tempfile
import time

RATE = 99
PROGRAM = """
import sys, time
def work():
    x = 0
    for i in range(200):
        x = (x + i) % 1000
def call(depth):
    if depth:
        return call(depth - 1)
    return work()
sys.stdout.write("ready\\n")
sys.stdout.flush()
sys.stdin.readline()
seconds = float(sys.argv[1])
rounds, start, cpu = 0, time.time(), time.process_time()
while time.time() - start < seconds:
    call(20)
    rounds += 1
wall, cpu = time.time() - start, time.process_time() - cpu
print("[%d, %f, %f]" % (rounds, wall, cpu))
"""


def run_program(interpreter, seconds, profile):
    """Rounds a second of wall time and of CPU time; `profile` starts a profiler of the process."""
    process = subprocess.Popen([interpreter, "-c", PROGRAM, str(seconds)], text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    os.sched_setaffinity(process.pid, [min(os.sched_getaffinity(0))])
    profiler = profile(process.pid) if profile else None
    out, _ = process.communicate("go\n")
    rounds, wall, cpu = json.loads(out)
    if profiler:
        finish(profiler)
    return rounds / wall, rounds / cpu


def finish(profiler):
    """It ends with its target; what it wrote must hold samples."""
    process, output = profiler
    process.wait(timeout=60)
    with open(output, encoding="utf-8", errors="replace") as file:
        if sum("work" in line for line in file) == 0:
            raise SystemExit(f"{process.args[0]} has not seen the program at work")


def starter(command, output):
    """Of a profiler, which is at work when it returns; `command` ends with the option of the pid."""
    def start(pid):
        process = subprocess.Popen([*command, str(pid)], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        time.sleep(0.7)
        return process, output
    return start


def median(values):
    return sorted(values)[len(values) // 2]


def ratios(interpreter, seconds, pairs, profile):
    """Of work done with the profiler to work done without, by wall and by CPU time."""
    found = []
    before = run_program(interpreter, seconds, None)
    for _ in range(pairs):
        profiled = run_program(interpreter, seconds, profile)
        after = run_program(interpreter, seconds, None)
        found.append([2 * with_ / (a + b) for with_, a, b in zip(profiled, before, after)])
        before = after
    return list(zip(*found))


def main():
    waggle, py_spy = sys.argv[1:3]
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 3
    pairs = int(sys.argv[4]) if len(sys.argv) > 4 else 7
    interpreters = sys.argv[5:] or [sys.executable]
    with open("/proc/loadavg", encoding="ascii") as file:
        print(f"load average {file.read().strip()}, {RATE} Hz, {pairs} pairs of {seconds:g} s")
    print("work done, with a profiler to without: median (least to greatest)")
    print(f"{'version':9}  {'profiler':8}  {'by wall time':24}  by CPU time")
    with tempfile.TemporaryDirectory() as folder:
        limit = str(int(seconds) + 5)  # both end with the program
        outputs = {name: f"{folder}/{name}.col" for name in ("waggle", "py-spy")}
        commands = {"waggle": [waggle, "record", "-d", limit, "-F", str(RATE), "--quiet", "-o",
                               outputs["waggle"], "-p"]}
        if py_spy != "-":
            commands["py-spy"] = [py_spy, "record", "-r", str(RATE), "-d", limit, "-f", "raw",
                                  "-o", outputs["py-spy"], "--pid"]
        for interpreter in interpreters:
            version = subprocess.run([interpreter, "-c", "import sys; print(sys.version.split()[0])"],
                                     stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
            for name, command in commands.items():
                sides = ratios(interpreter, seconds, pairs, starter(command, outputs[name]))
                figures = [f"{median(side):.4f} ({min(side):.4f} to {max(side):.4f})"
                           for side in sides]
                print(f"{version:9}  {name:8}  {figures[0]:24}  {figures[1]}", flush=True)


if __name__ == "__main__":
    main()
