#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""rbspy from crates.io, built and kept in the user's cache.

Without cargo, or without the package: exit 77, and the tests that need it are skipped by name.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tools"))
from kept import keep  # noqa: E402
from profiler_packages import FAILURES, RBSPY, make_rbspy  # noqa: E402


def main() -> int:
    return keep(RBSPY, Path.exists, make_rbspy, FAILURES, RBSPY)


if __name__ == "__main__":
    sys.exit(main())
