#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The files of this repository, as git sees them (tracked, or new and not ignored).

Also without git (an unpacked archive): then every file but those of build folders.
As a program: prints them, one per line, only those that match one of the patterns.
    tools/source_files.py '*.cpp' '*.h'
"""
import fnmatch
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOT_OURS = {".git", "build", "node_modules", "__pycache__"}


def source_files(root=ROOT):
    """Paths relative to `root`, sorted, '/' between the parts."""
    root = Path(root)
    if (root / ".git").exists():
        # A clone may belong to another user, which git refuses unless told.
        listed = subprocess.run(
            ["git", "-c", f"safe.directory={root}", "-C", str(root),
             "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            check=True, capture_output=True, text=True).stdout.split("\0")
        found = {name for name in listed if name and (root / name).is_file()}
    else:
        found = set()
        for folder, folders, names in os.walk(root):
            folders[:] = [name for name in folders if name not in NOT_OURS]
            found.update(os.path.relpath(os.path.join(folder, name), root) for name in names)
    return sorted(found)


def matches(name, patterns):
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["*"]
    for path in source_files():
        if matches(path, wanted):
            print(path)
