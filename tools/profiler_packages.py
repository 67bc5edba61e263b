# SPDX-License-Identifier: Apache-2.0
"""The profilers of others that package registries carry: which package, which version, what it must
be, and how it is had through the registry's ordinary client.

Used by tools/fetch-profilers and by the tests' fetch scripts.  x86_64 alone.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PY_SPY = "py-spy==0.4.3"
PY_SPY_SHA256 = "8a4277225f470d394a85cca0cdd944bef87f0097b6f20150a6dd3ac2e92806b8"

ASYNC_PROFILER = "tools.profiler:async-profiler:4.4"
ASYNC_PROFILER_SHA256 = "47f321b8cdbadda2c281a612f6ac245254c81a02ce578abf782a53170ea40b37"
ASYNC_PROFILER_LIBRARY = "libasyncProfiler.so"
MAVEN_GET = "org.apache.maven.plugins:maven-dependency-plugin:2.8:get"

RBSPY = "rbspy"
RBSPY_VERSION = "0.55.0"
RBSPY_SHA256 = "bbf991d58d7b51317737da53c1cdeffd161eaefa34d5903669b379cd47c465df"

# Its version and checksum are in the lock file.
NODE_LINUX_PERF = "linux-perf"
NODE_LINUX_PERF_MODULE = "linux-perf.node"
NODE_LINUX_PERF_LOCK = Path(__file__).resolve().parent / "node-linux-perf"

# What these functions raise where a package cannot be had.
FAILURES = (OSError, KeyError, StopIteration, subprocess.TimeoutExpired, zipfile.BadZipFile)


def run(command: list[str], seconds: int, **options) -> None:
    """To its end; its last words are the error."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, **options)
    if done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip() or "it said nothing")[-500:]
        raise OSError(f"{command[0]} failed: {words}")


def check(path: Path, sha256: str, package: str) -> None:
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise OSError(f"{package}: {path.name} is not the file that is known (sha256)")


def the_one(paths, package: str) -> Path:
    paths = list(paths)
    if len(paths) != 1:
        raise OSError(f"{package}: {len(paths)} files where one was expected")
    return paths[0]


def make_py_spy(program: Path) -> None:
    """The program of the wheel."""
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        run([sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:",
             "--quiet", "--dest", folder, PY_SPY], 300)
        wheel_path = the_one(Path(folder).glob("*.whl"), PY_SPY)
        check(wheel_path, PY_SPY_SHA256, PY_SPY)
        with zipfile.ZipFile(wheel_path) as wheel:
            name = next(name for name in wheel.namelist() if name.endswith("/scripts/py-spy"))
            fresh = Path(folder) / "py-spy"
            fresh.write_bytes(wheel.read(name))
        fresh.chmod(0o755)
        fresh.rename(program)


def make_async_profiler(library: Path) -> None:
    """The library inside the jar."""
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        run(["mvn", "--quiet", "--batch-mode", "--strict-checksums", MAVEN_GET,
             f"-Dartifact={ASYNC_PROFILER}", "-Dtransitive=false",
             f"-Dmaven.repo.local={folder}/repository"], 300)
        jar_path = the_one(Path(folder).rglob("async-profiler-*.jar"), ASYNC_PROFILER)
        check(jar_path, ASYNC_PROFILER_SHA256, ASYNC_PROFILER)
        fresh = Path(folder) / ASYNC_PROFILER_LIBRARY
        with zipfile.ZipFile(jar_path) as jar:
            fresh.write_bytes(jar.read(f"linux-x64/{ASYNC_PROFILER_LIBRARY}"))
        fresh.rename(library)


def make_rbspy(program: Path) -> None:
    """Built from source: minutes.  What it depends on is fixed by its own lock file."""
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        # A registry cache of its own: the crate that was checked is the one that was built.
        # Optimizing across crates takes most of the time of a build, and is for nothing here.
        environment = os.environ | {"CARGO_HOME": f"{folder}/home",
                                    "CARGO_TARGET_DIR": f"{folder}/target",
                                    "CARGO_PROFILE_RELEASE_LTO": "off",
                                    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16"}
        keep_cargo_settings(Path(f"{folder}/home"))
        run(["cargo", "install", RBSPY, "--locked", "--version", RBSPY_VERSION, "--root", folder,
             "--quiet"], 3000, env=environment)
        crate = the_one(Path(folder).glob(f"home/registry/cache/*/{RBSPY}-{RBSPY_VERSION}.crate"),
                        RBSPY)
        check(crate, RBSPY_SHA256, RBSPY)
        (Path(folder) / "bin" / RBSPY).rename(program)


def make_node_linux_perf(module: Path) -> None:
    """Built for the Node that is installed, with its own headers; npm checks the packages."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        raise OSError("there is no node, or no npm")
    prefix = Path(node).resolve().parents[1]
    if not (prefix / "include" / "node" / "node.h").exists():
        raise OSError(f"{prefix}/include/node has no headers of Node (Debian: libnode-dev)")
    with tempfile.TemporaryDirectory(dir=module.parent) as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(NODE_LINUX_PERF_LOCK / name, folder)
        # A container need not have the C++ library.
        environment = os.environ | {"npm_config_nodedir": str(prefix),
                                    "LDFLAGS": "-static-libstdc++ -static-libgcc "
                                               "-Wl,--exclude-libs,ALL,-s"}
        run(["npm", "ci", "--no-audit", "--no-fund", "--foreground-scripts"], 600, cwd=folder,
            env=environment)
        built = Path(folder) / "node_modules/linux-perf/build/Release" / NODE_LINUX_PERF_MODULE
        built.rename(module)


def keep_cargo_settings(home: Path) -> None:
    """Which registry is asked is the user's choice."""
    home.mkdir()
    usual = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    for name in ("config.toml", "config"):
        if (usual / name).exists():
            (home / name).symlink_to(usual / name)
