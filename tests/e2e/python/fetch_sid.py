#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""A Debian sid with the newest Pythons in it, made once by debootstrap and kept in the user's cache.

Interpreters are started in it by chroot, so it is also another root with another libc.  Without
root, debootstrap or the mirror: exit 77, and the tests of those versions are skipped by name.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from kept import keep_root

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "vm"))
from fetch_kernels import FetchError, system_mirror  # noqa: E402

PYTHONS = ("python3.14", "python3.15")


def is_whole(root: Path) -> bool:
    return all((root / "usr/bin" / name).exists() for name in PYTHONS)


def make(root: Path) -> None:
    fresh = root.with_suffix(".fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    done = subprocess.run(
        ["debootstrap", "--variant=minbase", f"--include={','.join(PYTHONS)}", "sid", fresh,
         system_mirror()], capture_output=True, text=True, timeout=800,
        env={**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"})
    if done.returncode != 0 or not is_whole(fresh):
        raise FetchError((done.stdout + done.stderr).strip()[-500:])
    fresh.rename(root)


def main() -> int:
    failures = (FetchError, OSError, subprocess.TimeoutExpired)
    return keep_root("python-sid", is_whole, make, failures, "Debian sid")


if __name__ == "__main__":
    sys.exit(main())
