# SPDX-License-Identifier: Apache-2.0
"""What the fetch scripts beside this share: things made once and kept in the user's cache."""

import fcntl
import os
from pathlib import Path

SKIPPED = 77


def keep(name: str, is_whole, make, failures, what: str) -> int:
    """Prints where `name` is, made by make(path) unless is_whole(path); an exit status.

    failures: exceptions that mean `what` cannot be had here.
    """
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(base) / "waggle-test" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another build may be making the same
        if not is_whole(path):
            try:
                make(path)
            except failures as error:
                print(f"skipped: no {what}: {error}")
                return SKIPPED
    print(path)
    return 0


def keep_root(name: str, is_whole, make, failures, what: str) -> int:
    """As keep(), for a root that is used by chroot."""
    if os.geteuid() != 0:
        print("skipped: not root, so no chroot")
        return SKIPPED
    return keep(name, is_whole, make, failures, what)
