#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""async-profiler's library from Maven Central, kept in the user's cache.

Without mvn, or without the package: exit 77, and the tests that need it are skipped by name.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))
from kept import keep  # noqa: E402

PACKAGE = "tools.profiler:async-profiler:4.4"
SHA256 = "47f321b8cdbadda2c281a612f6ac245254c81a02ce578abf782a53170ea40b37"
GOAL = "org.apache.maven.plugins:maven-dependency-plugin:2.8:get"
LIBRARY = "libasyncProfiler.so"


def make(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        done = subprocess.run(
            ["mvn", "--quiet", "--batch-mode", "--strict-checksums", GOAL,
             f"-Dartifact={PACKAGE}", "-Dtransitive=false",
             f"-Dmaven.repo.local={temporary}/repository"],
            capture_output=True, text=True, timeout=300)
        jars = list(Path(temporary).rglob("async-profiler-*.jar"))
        if done.returncode != 0 or len(jars) != 1:
            raise OSError(done.stdout.strip()[-500:])
        if hashlib.sha256(jars[0].read_bytes()).hexdigest() != SHA256:
            raise OSError(f"{PACKAGE} is not what it was")
        fresh = Path(temporary) / "fresh"
        fresh.mkdir()
        with zipfile.ZipFile(jars[0]) as jar:
            (fresh / LIBRARY).write_bytes(jar.read(f"linux-x64/{LIBRARY}"))
        fresh.rename(folder)


def main() -> int:
    failures = (OSError, KeyError, subprocess.TimeoutExpired, zipfile.BadZipFile)
    return keep("async-profiler", lambda folder: (folder / LIBRARY).exists(), make, failures,
                PACKAGE)


if __name__ == "__main__":
    sys.exit(main())
