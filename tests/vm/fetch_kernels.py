#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""Debian's cloud kernels that waggle must load on: fetched once, then kept in the user's cache.

For the kernel images alone; what boots them is guest.py.  apt works on lists and a cache of its
own, with the system's mirror and Debian's keyring, so nothing of the system changes.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
META_PACKAGE = "linux-image-cloud-amd64"
RECHECK_AFTER_S = 24 * 3600


class FetchError(Exception):
    """A kernel could not be had; the text says which step failed and how."""


@dataclass(frozen=True)
class Kernel:
    name: str
    suite: str
    moves: bool = False  # the suite gets new versions, so a cached copy grows old


KERNELS = (
    Kernel("5.10", "bullseye"),
    Kernel("6.1", "bookworm"),
    Kernel("6.12", "trixie"),
    Kernel("newest", "sid", moves=True),
)


def cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "waggle-test" / "kernels"


def run(command: list, cwd: Path | None = None) -> str:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FetchError(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        errors = re.findall(r"^E: (.+)$", done.stderr, re.MULTILINE)  # the first is the cause
        reason = errors[0] if errors else done.stderr.strip() or f"status {done.returncode}"
        raise FetchError(f"{command[0]} {command[1]}: {reason}")
    return done.stdout


def system_mirror() -> str:
    """The archive that the system itself installs from, in whichever format it is configured."""
    uris = run(["apt-get", "update", "--print-uris"])
    # Suites with a dash (-updates, -security, -backports) can live in another archive.
    found = re.search(r"^'(.+)/dists/[a-z]+/(?:In)?Release'", uris, re.MULTILINE)
    if not found:
        raise FetchError("apt has no Debian archive configured")
    return found.group(1)


class PrivateApt:
    """apt for one suite, in a scratch directory: no state is shared with the system's."""

    def __init__(self, directory: Path, mirror: str, suite: str):
        self.directory = directory
        for part in ("lists/partial", "cache/archives/partial"):
            (directory / part).mkdir(parents=True)
        source = directory / "sources.list"
        options = f"arch=amd64 target=Packages lang=none signed-by={KEYRING}"
        source.write_text(f"deb [{options}] {mirror} {suite} main\n")
        settings = {
            "Dir::Etc::sourcelist": source,
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State::status": "/dev/null",
            "Dir::State::lists": directory / "lists",
            "Dir::Cache": directory / "cache",
            "APT::Sandbox::User": "root",  # the scratch directory is private to us
            "APT::Update::Error-Mode": "any",  # an unreachable mirror is no success
            "Acquire::Retries": "2",
            "Acquire::http::Timeout": "20",
        }
        self.options = [f"-o{key}={value}" for key, value in settings.items()]
        run(["apt-get", "update", "-qq", *self.options])

    def depends(self, package: str, pattern: str) -> str | None:
        text = run(["apt-cache", "depends", *self.options, package])
        found = re.search(rf"Depends: ({pattern})$", text, re.MULTILINE)
        return found.group(1) if found else None

    def kernel_package(self) -> str:
        """NAME=VERSION of the package that holds the image the meta package asks for today."""
        image = self.depends(META_PACKAGE, r"linux-image-\S+-cloud-amd64")
        if not image:
            raise FetchError(f"{META_PACKAGE} depends on no image")
        name = self.depends(image, r"linux-binary-\S+") or image  # split from the image since 7.x
        shown = run(["apt-cache", "show", "--no-all-versions", *self.options, name])
        return f"{name}={re.search(r'^Version: (.+)$', shown, re.MULTILINE).group(1)}"

    def download(self, package: str) -> Path:
        run(["apt-get", "download", "-qq", *self.options, package], cwd=self.directory)
        return next(self.directory.glob("*.deb"))


def extract_image(package: Path, target: Path) -> None:
    unpack = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE)
    with unpack, tarfile.open(fileobj=unpack.stdout, mode="r|") as archive:
        for member in archive:
            if member.isfile() and Path(member.name).name.startswith("vmlinuz"):
                with archive.extractfile(member) as image, target.open("wb") as out:
                    shutil.copyfileobj(image, out)
                unpack.kill()  # the modules that follow are not needed
                return
    raise FetchError(f"{package.name} holds no vmlinuz")


def fetch(kernel: Kernel, mirror: str, home: Path) -> None:
    """Brings home/NAME/{vmlinuz,package} up to date; home/NAME/package is the time of the check."""
    kept = home / kernel.name
    with tempfile.TemporaryDirectory(dir=home, prefix=".fetch-") as scratch:
        apt = PrivateApt(Path(scratch) / "apt", mirror, kernel.suite)
        package = apt.kernel_package()
        if (kept / "package").exists() and (kept / "package").read_text().strip() == package:
            (kept / "package").touch()
            return
        fresh = Path(scratch) / "fresh"
        fresh.mkdir()
        extract_image(apt.download(package), fresh / "vmlinuz")
        (fresh / "package").write_text(package + "\n")
        shutil.rmtree(kept, ignore_errors=True)
        fresh.rename(kept)


def is_current(kernel: Kernel, home: Path) -> bool:
    note = home / kernel.name / "package"
    if not note.exists():
        return False
    return not kernel.moves or time.time() - note.stat().st_mtime < RECHECK_AFTER_S


def fetch_kernels(kernels=KERNELS) -> dict[str, Path]:
    """Name → vmlinuz, for all of them.  Raises FetchError that names each kernel not to be had."""
    home = cache_dir()
    home.mkdir(parents=True, exist_ok=True)
    failures = []
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another build may be fetching the same
        for kernel in kernels:
            if is_current(kernel, home):
                continue
            try:
                fetch(kernel, system_mirror(), home)
            except FetchError as error:
                if (home / kernel.name / "vmlinuz").exists():
                    print(f"kernel {kernel.name}: {error}; continuing with the cached copy")
                else:
                    failures.append(f"kernel {kernel.name} ({kernel.suite}): {error}")
    if failures:
        raise FetchError("\n".join(failures))
    return {kernel.name: home / kernel.name / "vmlinuz" for kernel in kernels}


def main() -> int:
    try:
        images = fetch_kernels()
    except FetchError as error:
        print(error, file=sys.stderr)
        return 1
    for name, image in images.items():
        package = (image.parent / "package").read_text().strip()
        print(f"{name:<8} → {image}  ({package})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
