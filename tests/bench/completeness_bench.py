# SPDX-License-Identifier: Apache-2.0
"""How many stacks are complete: completeness_bench.py [--judge] WAGGLE PROGRAMS [CASE...].

Runs each program once, sampled by waggle (999 Hz) and by `perf record --call-graph dwarf` (99 Hz) at
the same time, and prints the share of user samples of both whose stack reaches the entry function of
its thread, and where the rest ends.  An entry is known by its name, or by the file's own call frame
information, which readelf reads: there the return address is undefined.

What is compared begins half a second after the exec, when waggle knows the process: renamer.c calls
its threads "later" from then on.  The first half second is in the column "early".  waggle met each file
before, in a first run under another name.  A sample that has no user stack (execve, exit after the
memory is gone) is not a user sample.

--judge: exit status 1 unless waggle reaches 99.5 % everywhere and is not worse than perf.
Exit 77: no perf, or no root.
"""
import argparse
import bisect
import collections
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

GOAL = 0.995
# perf has a tenth of the samples: two shares that differ by less are equal.
PERF_MARGIN = 0.005
SECONDS = 4
LEAST_SAMPLES = 400
LATER = "later"
ENTRIES = {"_start", "__clone", "clone", "__clone3", "clone3", "start_raw_clone",
           "runtime.goexit.abi0", "runtime.clone.abi0", "runtime.mcall", "runtime.morestack.abi0"}
# In the kernel, when there is no user stack any more, or not yet.
GONE = {"do_exit_[k]", "begin_new_exec_[k]"}
KERNEL_START = 1 << 63
ENTRY_BYTES = 48  # of assembly, at the entry point
SUM = "s = 0\nfor i in range(10**9):\n    s = f(i, s)\n"
PYTHON = "def g(a):\n    return a * 3 % 7\ndef f(a, b):\n    return g(a) + b % 1000\n" + SUM
SQL = """create table t(a integer primary key, b text, c int);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000000)
insert into t select i, hex(randomblob(8)), i % 1000 from n;
create index tc on t(c, b);
select sum(length(b)) from (select b from t order by b);
select count(*) from t x join t y on x.c = y.c where x.a < 20000;
"""
TEMPLATES = """#include <algorithm>
#include <functional>
#include <map>
#include <regex>
#include <string>
#include <tuple>
template <int N> struct Fib { static constexpr int value = Fib<N - 1>::value + Fib<N - 2>::value; };
template <> struct Fib<0> { static constexpr int value = 0; };
template <> struct Fib<1> { static constexpr int value = 1; };
template <int N> std::map<std::tuple<std::string, int>, std::function<int()>> make() {
  std::map<std::tuple<std::string, int>, std::function<int()>> m;
  if constexpr (N > 0) { m = make<N - 1>(); }
  m[{std::string(N, 'x'), N}] = [] { return Fib<N + 5>::value; };
  return m;
}
int main() { return (int)make<COUNT>().size() + std::regex_match("aab", std::regex("a*b")); }
"""


class Case:
    """A command; `file`, what its samples are in.  The first run is of `file` too."""

    def __init__(self, name, file, arguments, command=None, goal=GOAL):
        self.name, self.file, self.goal = name, file, goal
        self.warm = arguments
        self.command = command or [file, *arguments]


def find_program(name):
    return shutil.which(name) or sys.exit(f"{name}: not found")


def make_cases(programs, directory):
    big = directory / "big"
    with open(big, "wb") as out:
        for file in sorted(Path("/usr/bin").iterdir()):
            if file.is_file() and out.tell() < 400 << 20:
                out.write(file.read_bytes())
    source, small = directory / "templates.cpp", directory / "small.cpp"
    source.write_text(TEMPLATES.replace("COUNT", "120"))
    small.write_text(TEMPLATES.replace("COUNT", "1"))
    compiler = subprocess.run(["g++", "-print-prog-name=cc1plus"], capture_output=True, text=True,
                              check=True).stdout.strip()
    python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
    python = os.path.realpath(python)
    return [
        Case("50 threads", f"{programs}/exceptions", ["50000"]),
        # For a moment libgcc has its own return address replaced and its stack not: nothing can be
        # walked from there, and this is where this program is all the time.
        Case("50 threads that throw", f"{programs}/exceptions", [], goal=0.99),
        Case("signals", f"{programs}/signals", []),
        Case("signals, own stack", f"{programs}/signals", ["alternate"]),
        Case("vDSO", f"{programs}/clocks", []),
        Case("system calls", f"{programs}/calls", []),
        Case("gzip", find_program("gzip"), ["-9", "-c", big]),
        Case("xz", find_program("xz"), ["-c", big]),
        Case("python3", python, ["-c", PYTHON]),
        Case("openssl speed", find_program("openssl"),
             ["speed", "-seconds", "1", "sha256", "aes-256-cbc", "rsa2048", "ecdhx25519"]),
        Case("sqlite3", find_program("sqlite3"), [":memory:", SQL]),
        Case("g++", compiler, ["-quiet", small, "-o", "/dev/null"],
             [find_program("g++"), "-O2", "-c", source, "-o", "/dev/null"]),
    ]


class EntryRanges:
    """Of a file: where call frame information says that the return address is undefined, and its
    entry point, for which the dynamic linker has none."""

    def __init__(self):
        self.known = {}

    def has(self, file, address):
        if file not in self.known:
            self.known[file] = self.read(file)
        starts, ends = self.known[file]
        at = bisect.bisect_right(starts, address) - 1
        return at >= 0 and address < ends[at]

    @staticmethod
    def read(file):
        if not os.path.isfile(file):
            return [], []
        text = subprocess.run(["readelf", "--debug-dump=frames-interp", file], capture_output=True,
                              text=True, errors="replace").stdout
        ranges, end, rows, column = [], 0, [], None

        def close():
            for row, (address, ra) in enumerate(rows):
                if ra == "u":
                    ranges.append((address, rows[row + 1][0] if row + 1 < len(rows) else end))

        for line in text.split("\n"):
            if found := re.search(r" FDE .*pc=([0-9a-f]+)\.\.([0-9a-f]+)", line):
                close()
                end, rows, column = int(found[2], 16), [], None
            elif " CIE " in line:
                close()
                rows, column = [], None
                end = 0
            elif line.strip().startswith("LOC"):
                column = line.split().index("ra") if "ra" in line.split() else None
            elif column is not None and end and re.match(r"[0-9a-f]{16} ", line):
                words = line.split()
                rows.append((int(words[0], 16), words[column] if column < len(words) else ""))
        close()
        header = subprocess.run(["readelf", "-h", file], capture_output=True, text=True).stdout
        if found := re.search(r"Entry point address: +0x([0-9a-f]+)", header):
            ranges.append((int(found[1], 16), int(found[1], 16) + ENTRY_BYTES))
        ranges.sort()
        return [start for start, _ in ranges], [stop for _, stop in ranges]


class Share:
    """Counts of complete and other stacks, and where the others end."""

    def __init__(self):
        self.complete = self.cut = self.without = 0
        self.reasons = collections.Counter()

    @property
    def share(self):
        return self.complete / max(self.complete + self.cut, 1)

    def add(self, is_complete, count, reason):
        if is_complete:
            self.complete += count
        else:
            self.cut += count
            self.reasons[reason] += count


def path_of(name, program):
    """A file by the name that waggle's frames have: the program itself or a library."""
    if Path(program).name == name:
        return program
    for folder in ("/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu", "/usr/lib", "/lib64"):
        if os.path.isfile(f"{folder}/{name}"):
            return f"{folder}/{name}"
    return name


def shares_of_waggle(col, case, entries):
    """Of what ran under its later name, and of what ran before."""
    later, early = Share(), Share()
    for line in Path(col).read_text().splitlines():
        stack, count = line.rsplit(" ", 1)
        fields = stack.split(";")
        if line.startswith("# ") or fields[2] != Path(case.file).name[:15]:
            continue
        thread, *frames = (frame.removesuffix("_[pn]") for frame in fields[3:])
        share = later if thread == f"thread: {LATER}" else early
        kernel = {frame for frame in frames if frame.endswith("_[k]")}
        frames = [frame for frame in frames if frame not in kernel]
        if not frames or frames[0] == "[exec]" or (kernel & GONE and frames[0].startswith("[")):
            share.without += int(count)
            continue
        place = re.fullmatch(r"\((.*)\+0x([0-9a-f]+)\)", frames[0])
        is_entry = frames[0] in ENTRIES or (
            place is not None and entries.has(path_of(place[1], case.file), int(place[2], 16)))
        share.add(is_entry, int(count), ";".join(frames[:3]))
    return later, early


def share_of_perf(data, comm, entries):
    text = subprocess.run(
        ["perf", "script", "-i", data, "--no-inline", "-F", "comm,pid,tid,ip,sym,dso"],
        capture_output=True, text=True, errors="replace").stdout
    share = Share()
    for block in text.split("\n\n"):
        frames, is_ours = [], False
        for line in block.split("\n"):
            if found := re.match(r"\s+([0-9a-f]+) (.*) \((.*)\)$", line):
                frames.append((int(found[1], 16), found[2], found[3]))
            elif found := re.match(r"\s*(.*?)\s+\d+/\d+\s*$", line):
                is_ours = found[1] == comm
        if not is_ours:
            continue
        users = [frame for frame in frames if frame[0] < KERNEL_START]
        if not users:
            share.without += 1
            continue
        address, symbol, file = users[-1]  # an address in the file
        share.add(symbol in ENTRIES or entries.has(file, address), 1,
                  f"{symbol} ({Path(file).name})")
    return share


def quote(words):
    return " ".join(shlex.quote(str(word)) for word in words)


def measure(case, options, directory, entries):
    warm, script = directory / "warm_up", directory / "run.sh"
    warm.unlink(missing_ok=True)
    warm.symlink_to(case.file)
    col, data = directory / "out.col", directory / "perf.data"
    renamer = Path(options.programs).resolve() / "librenamer.so"
    script.write_text(f"timeout 1 {quote([warm, *case.warm])}\nsleep 0.5\n"
                      f"perf record -q --call-graph dwarf -F 99 -o {data} -- timeout {SECONDS} "
                      f"env LD_PRELOAD={renamer} {quote(case.command)}\nexit 0\n")
    recorded = subprocess.run([options.waggle, "record", "--quiet", "--threads", "-F", "999",
                               "--disable-application-identifiers", "-o", col, "--", "sh", script],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if recorded.returncode != 0:
        sys.exit(f"waggle: exit status {recorded.returncode}\n{recorded.stderr}")
    return *shares_of_waggle(col, case, entries), share_of_perf(data, LATER, entries)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--judge", action="store_true")
    parser.add_argument("waggle")
    parser.add_argument("programs")
    parser.add_argument("cases", nargs="*")
    options = parser.parse_args()
    if shutil.which("perf") is None or os.geteuid() != 0:
        print("skipped: needs perf (Debian: linux-perf) and root")
        return 77
    entries, failed = EntryRanges(), []
    print(f"{'program':<24}{'samples':>9}{'waggle':>9}{'early':>9}{'samples':>9}{'perf':>9}")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for case in make_cases(Path(options.programs).resolve(), directory):
            if options.cases and case.name not in options.cases:
                continue
            ours, early, theirs = measure(case, options, directory, entries)
            print(f"{case.name:<24}{ours.complete + ours.cut:>9}{ours.share:>9.2%}"
                  f"{early.share:>9.2%}{theirs.complete + theirs.cut:>9}{theirs.share:>9.2%}",
                  flush=True)
            for who, share in (("waggle", ours), ("perf", theirs)):
                for reason, count in share.reasons.most_common(5):
                    print(f"    {who}: {count} end at {reason[:150]}")
            if ours.complete < LEAST_SAMPLES or ours.share < case.goal or ours.share < theirs.share - PERF_MARGIN:
                failed.append(case.name)
    print("not held: " + ", ".join(failed) if failed else
          f"held: {GOAL:.1%} of waggle's or more are complete, and not fewer than perf's")
    return 1 if failed and options.judge else 0


if __name__ == "__main__":
    os.environ["LC_ALL"] = "C"
    sys.exit(main())
