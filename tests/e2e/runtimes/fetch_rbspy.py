#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""rbspy from crates.io, built and kept in the user's cache.

Without cargo, or without the package: exit 77, and the tests that need it are skipped by name.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))
from kept import keep  # noqa: E402

VERSION = "0.55.0"


def make(program: Path) -> None:
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        # Optimizing across crates takes most of the time of a build, and is for nothing here.
        environment = os.environ | {"CARGO_PROFILE_RELEASE_LTO": "off",
                                    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
                                    "CARGO_TARGET_DIR": f"{folder}/target"}
        done = subprocess.run(
            ["cargo", "install", "rbspy", "--locked", "--version", VERSION, "--root", folder,
             "--quiet"], capture_output=True, text=True, timeout=1500, env=environment)
        if done.returncode != 0:
            raise OSError(done.stderr.strip()[-500:])
        (Path(folder) / "bin" / "rbspy").rename(program)


def main() -> int:
    return keep("rbspy", Path.exists, make, (OSError, subprocess.TimeoutExpired), "rbspy")


if __name__ == "__main__":
    sys.exit(main())
