# SPDX-License-Identifier: Apache-2.0
"""Each bench runs and prints its table, but for flame_graph_bench.py: tests/e2e/flame_graph opens the
same pages.  No time is judged.  bench_smoke_test.py BUILD_FOLDER
"""
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).parent
BUILD = Path(sys.argv.pop()) if len(sys.argv) > 1 else Path()
RECURSION = BUILD / "tests/programs/recursion"
WAGGLE = BUILD / "waggle"
NUMBER = r"[\d.]+"


def run(*command):
    """What the bench prints; skips where it says that it cannot run here."""
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if result.returncode in (3, 77):  # no privilege; no perf
        raise unittest.SkipTest(result.stdout + result.stderr)
    if result.returncode != 0:
        raise AssertionError(f"{command}: exit status {result.returncode}\n"
                             f"{result.stdout}{result.stderr}")
    return result.stdout


class Benches(unittest.TestCase):
    def test_cgroup_ranking_prints_a_row_for_a_hierarchy(self):
        if os.geteuid() != 0 or not os.path.ismount("/sys/fs/cgroup/cpuacct"):
            self.skipTest("no cgroup can be made in v1's cpuacct")
        printed = run(BUILD / "tests/bench/cgroup_ranking_bench", 10, 5, 2)
        self.assertRegex(printed, rf"(?m)cgroups with 5 processes: {NUMBER} ms CPU a cycle")

    def test_sampler_cost_prints_a_row_for_its_rate_and_depth(self):
        printed = run(BUILD / "tests/bench/sampler_cost_bench", 1, 200, 999, 30)
        self.assertRegex(printed, rf"(?m)^ +999 +3\d( +\d+){{4}} +-?\d+ +{NUMBER}   {NUMBER} to {NUMBER}$")
        self.assertRegex(printed, rf"(?m)^ratio at 30 frames, 999 Hz, frame pointers: {NUMBER}, budget 0.70: ")
        self.assertRegex(printed, rf"(?m)^ratio at 30 frames, 999 Hz, none: {NUMBER}, budget 0.80: ")

    def test_selection_cost_prints_a_row_for_pids(self):
        printed = run(BUILD / "tests/bench/selection_cost_bench", 1, 200)
        self.assertRegex(printed, rf"(?m)^pids( +\d+){{2}} +3\d +{NUMBER}   {NUMBER} to {NUMBER}$")

    def test_record_cost_prints_start_memory_and_cpu(self):
        printed = run(sys.executable, HERE / "record_cost_bench.py", WAGGLE, RECURSION,
                      BUILD / "tests/bench/record_start_bench", 1, 1)
        self.assertRegex(printed, r"(?m)^start to first sample: \d+ ms")
        self.assertRegex(printed, rf"(?m)^  load programs and maps .* {NUMBER} ms$")
        self.assertRegex(printed, rf"(?m)^  cpu_counts_0 +hash +\d+ +{NUMBER}$")
        for load in ("recursion", "g++"):
            self.assertRegex(printed, rf"(?m)^{re.escape(load)}: [1-9]\d* samples of waggle, "
                                      rf"[1-9]\d* of perf; RSS {NUMBER} MiB, maps {NUMBER} MiB")
        for who in ("waggle", "perf record", "perf script"):
            self.assertEqual(len(re.findall(rf"(?m)^  {who} +{NUMBER} s user", printed)), 2)

    def test_mapping_latency_prints_median_and_p99(self):
        printed = run(BUILD / "tests/bench/mapping_latency_bench", 20, 1)
        self.assertRegex(printed, r"^mmap to proc_mappings, 20 mappings, 1 hogs for each CPU: "
                                  r"median \d+ us, p99 \d+ us$")

    def test_java_match_prints_its_cost(self):
        printed = run(BUILD / "tests/bench/java_match_bench", 50)
        self.assertRegex(printed, rf"^match of 50 stacks on both sides: {NUMBER} ms CPU, "
                                  rf"{NUMBER} to {NUMBER}$")

    def test_resolver_prints_load_cold_and_warm(self):
        printed = run(BUILD / "tests/bench/resolver_bench", WAGGLE, 1000)
        self.assertRegex(printed, rf"(?m)^load +[1-9]\d* symbols +{NUMBER} ms")
        for name in ("cold", "warm", "module"):
            self.assertRegex(printed, rf"(?m)^{name} +\d+ addresses +{NUMBER} ms +\d+ ns each")

    def test_unwind_table_prints_each_file_and_the_sum_of_a_folder(self):
        bench = BUILD / "tests/bench/unwind_table_bench"
        printed = run(bench, WAGGLE)
        self.assertRegex(printed, rf"(?m)^ +{NUMBER} +[1-9]\d* +[1-9]\d* +[1-9]\d* +{NUMBER} +\d+ "
                                  rf"+{NUMBER} +{NUMBER} +\d+  {re.escape(str(WAGGLE))}$")
        self.assertRegex(run(bench, BUILD / "tests/bench"), r"(?m)  all [1-9]\d* files$")

    def test_process_stream_prints_scan_table_and_delays(self):
        printed = run(BUILD / "tests/bench/process_stream_bench", 1)
        self.assertRegex(printed, rf"(?m)^scan: [1-9]\d* processes, {NUMBER} us each$")
        self.assertRegex(printed, rf"(?m)^table: {NUMBER} million records/s")
        for name in ("idle", "storm"):
            self.assertRegex(printed, rf"(?m)^{name}: \d+ execs/s, [1-9]\d* records, .* median \d+ us")

    def test_mapping_latency_prints_its_median(self):
        printed = run(BUILD / "tests/bench/mapping_latency_bench", 20)
        self.assertRegex(printed, r"(?m)^mmap to proc_mappings, 20 mappings, .* median \d+ us")

    def test_python_slowdown_prints_a_row_for_each_profiler(self):
        py_spy = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "waggle-test/py-spy"
        printed = run(sys.executable, HERE / "python_slowdown_bench.py", WAGGLE,
                      py_spy if py_spy.exists() else "-", 1, 1)
        ratio = rf"{NUMBER} \({NUMBER} to {NUMBER}\)"
        self.assertRegex(printed, rf"(?m)^{NUMBER} +waggle +{ratio} +{ratio}$")
        if py_spy.exists():
            self.assertRegex(printed, rf"(?m)^{NUMBER} +py-spy +{ratio} +{ratio}$")


if __name__ == "__main__":
    os.environ["LC_ALL"] = "C"
    unittest.main(verbosity=2)
