#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""py-spy from PyPI, kept in the user's cache: another profiler to compare with.

Without pip, or without the package: exit 77, and the tests that need it are skipped by name.
"""

import sys
from pathlib import Path

from kept import keep

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tools"))
from profiler_packages import FAILURES, PY_SPY, make_py_spy  # noqa: E402


def main() -> int:
    return keep("py-spy", Path.exists, make_py_spy, FAILURES, PY_SPY)


if __name__ == "__main__":
    sys.exit(main())
