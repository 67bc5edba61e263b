# SPDX-License-Identifier: Apache-2.0
"""From navigation to the first painted graph: flame_graph_bench.py WRITE_PAGES.

200,000 distinct stacks of depth 40, of a call graph and of random frames.  Each page is opened
five times, in a browser of its own; the median counts.  Exit 1: over budget, 77: no Chromium.
"""
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "e2e" / "flame_graph"))
from browser import Browser, find_chromium  # noqa: E402

BUDGET_S = 3.0
BUDGET_BYTES = 20_000_000
RUNS = 5
PAINTED = "performance.getEntriesByName('graph painted')[0].startTime / 1000"


def open_once(path):
    browser = Browser(find_chromium())
    try:
        browser.resize(1280, 800)
        browser.open(path)
        return browser.evaluate(PAINTED)
    finally:
        browser.close()


def main():
    if find_chromium() is None:
        print("skipped: no chromium (Debian: chromium)")
        return 77
    is_over = False
    with tempfile.TemporaryDirectory(prefix="waggle-pages-") as directory:
        for name in ("large", "random"):
            subprocess.run([sys.argv[1], directory, name], check=True)
            path = f"{directory}/{name}.html"
            size = os.path.getsize(path)
            seconds = sorted(open_once(path) for _ in range(RUNS))
            median = statistics.median(seconds)
            is_over = is_over or median > BUDGET_S or size > BUDGET_BYTES
            print(f"{name}: {size / 1e6:.1f} MB, first graph after {median:.2f} s "
                  f"({seconds[0]:.2f} to {seconds[-1]:.2f}), budget {BUDGET_BYTES / 1e6:.0f} MB, {BUDGET_S:.0f} s")
    return 1 if is_over else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: flame_graph_bench.py WRITE_PAGES")
    sys.exit(main())
