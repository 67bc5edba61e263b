#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""linux-perf from npm, built for the Node of this machine and kept in the user's cache.

Without node, npm, Node's headers or the package: exit 77, and the tests that need it are skipped by
name.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tools"))
from kept import keep  # noqa: E402
from profiler_packages import (FAILURES, NODE_LINUX_PERF, NODE_LINUX_PERF_MODULE,  # noqa: E402
                               make_node_linux_perf)


def main() -> int:
    return keep(NODE_LINUX_PERF_MODULE, Path.exists, make_node_linux_perf, FAILURES,
                NODE_LINUX_PERF)


if __name__ == "__main__":
    sys.exit(main())
