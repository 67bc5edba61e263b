#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""async-profiler's library from Maven Central, kept in the user's cache.

Without mvn, or without the package: exit 77, and the tests that need it are skipped by name.
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests/e2e/python"), str(ROOT / "tools")]
from kept import keep  # noqa: E402
from profiler_packages import (  # noqa: E402
    ASYNC_PROFILER, ASYNC_PROFILER_LIBRARY, FAILURES, make_async_profiler)


def make(folder: Path) -> None:
    """A directory that holds the library alone."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        fresh = Path(temporary) / "fresh"
        fresh.mkdir()
        make_async_profiler(fresh / ASYNC_PROFILER_LIBRARY)
        fresh.rename(folder)


def main() -> int:
    return keep("async-profiler", lambda folder: (folder / ASYNC_PROFILER_LIBRARY).exists(), make,
                FAILURES, ASYNC_PROFILER)


if __name__ == "__main__":
    sys.exit(main())
