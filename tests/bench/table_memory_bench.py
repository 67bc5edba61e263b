#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What waggle holds while it profiles many processes that map large libraries.

    table_memory_bench.py WAGGLE [PROCESSES [SECONDS]]

Starts PROCESSES (500) pythons, each with another mix of libraries of this host opened by ctypes,
that use the CPU in turns, and records the host.  Prints the anonymous RSS of waggle and the memory
of each BPF map it has ("memlock" of its fdinfo, as bpftool map show has it), at the end of the
recording.  Needs root.
"""
import collections
import glob
import os
import re
import subprocess
import sys
import time

LARGEST = 120  # libraries that are looked at, largest first
OPENED = 10  # by each process
OUTPUT = f"/tmp/table_memory_bench.{os.getpid()}.col"

PROGRAM = """
import ctypes, sys, time
for path in sys.argv[2:]:
    try:
        ctypes.CDLL(path)
    except OSError:
        pass
print("ready", flush=True)
number = int(sys.argv[1])
while True:
    end = time.monotonic() + 0.01
    while time.monotonic() < end:
        sum(range(1000))
    time.sleep(10)
"""


def large_libraries():
    paths = {os.path.realpath(path) for path in glob.glob("/usr/lib/x86_64-linux-gnu/*.so*")}
    files = [path for path in paths if os.path.isfile(path) and ".so" in path]
    return sorted(files, key=os.path.getsize, reverse=True)[:LARGEST]


def start(number, libraries):
    mine = [libraries[(number * 7 + i * 11) % len(libraries)] for i in range(OPENED)]
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(number), *mine],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def anonymous_kib(pid):
    status = open(f"/proc/{pid}/status").read()
    return {key: int(re.search(rf"^{key}:\s+(\d+) kB", status, re.M)[1])
            for key in ("VmHWM", "VmRSS", "RssAnon")}


def maps_of(pid):
    """Name -> [bytes of each map of that name].  A map may have several descriptors."""
    seen, sizes = set(), collections.defaultdict(list)
    names = {}
    for line in subprocess.run(["bpftool", "map", "show"], capture_output=True, text=True,
                               check=False).stdout.splitlines():
        if match := re.match(r"(\d+): (\S+)\s+name (\S+)", line):
            names[match[1]] = match[3]
    for info in glob.glob(f"/proc/{pid}/fdinfo/*"):
        text = open(info).read()
        map_id = re.search(r"^map_id:\s+(\d+)", text, re.M)
        if map_id and map_id[1] not in seen:
            seen.add(map_id[1])
            memlock = int(re.search(r"^memlock:\s+(\d+)", text, re.M)[1])
            sizes[names.get(map_id[1], "?")].append(memlock)
    return sizes


def main():
    waggle = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 500
    seconds = int(sys.argv[3]) if len(sys.argv) > 3 else 60
    libraries = large_libraries()
    processes = [start(number, libraries) for number in range(count)]
    recorder = None
    try:
        for process in processes:
            process.stdout.readline()
        recorder = subprocess.Popen([waggle, "record", "-v", "-d", str(seconds), "-F", "99", "-o",
                                     OUTPUT],
                                    stderr=subprocess.PIPE, text=True)
        time.sleep(seconds - 2)
        memory, maps = anonymous_kib(recorder.pid), maps_of(recorder.pid)
        _, log = recorder.communicate()
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()
    os.unlink(OUTPUT)
    print(f"{count} processes, {len(libraries)} libraries, load average "
          f"{os.getloadavg()[0]:.1f}")
    for name, sizes in sorted(maps.items(), key=lambda entry: -sum(entry[1])):
        print(f"  {name:<16}{len(sizes):>4} x {sum(sizes) / 1024:>10.1f} KiB")
    total = sum(sum(sizes) for sizes in maps.values()) / 1024
    print(f"  {'all maps':<16}{total:>17.1f} KiB")
    print(f"  anonymous RSS {memory['RssAnon']} KiB (RSS {memory['VmRSS']}, highest "
          f"{memory['VmHWM']})")
    print(f"  sum {(total + memory['RssAnon']) / 1024:.1f} MiB")
    print("".join(line + "\n" for line in log.splitlines() if "unwind" in line or "truncated" in line))


if __name__ == "__main__":
    main()
