# SPDX-License-Identifier: Apache-2.0
"""One virtual machine: an initramfs with the programs under test, a boot, a list of commands.

Not for what the commands mean (jobs.py) nor for which kernels exist (fetch_kernels.py).  The
guest is emulated (TCG), because the machines that run the tests have no nested virtualization.
Its first serial port is the kernel's console, the second carries the results, so that no kernel
message can tear them apart.
"""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

NEEDED_TOOLS = ("qemu-system-x86_64", "busybox", "cpio", "ldd", "strip", "setpriv")
MARK = "@@guest"
MEMORY_MB = 1024
CPU_COUNT = 2
BOOT_TIMEOUT_S = 90  # 4 to 8 s on an idle machine
END_TIMEOUT_S = 30  # between the last command and the end of the emulator
CONSOLE_LINES = 80  # a kernel's last words are long
LAST_WORDS = re.compile(r"BUG: |Oops|general protection fault|divide error|Kernel panic", re.I)
PANIC = "Kernel panic - not syncing"


@dataclass(frozen=True)
class Command:
    name: str
    shell: str  # run by busybox sh -e
    timeout_s: int


@dataclass(frozen=True)
class Outcome:
    status: int  # 137: killed when its time was over
    output: str
    seconds: float


@dataclass
class GuestRun:
    release: str = ""  # empty: never came up
    boots: int = 0
    boot_s: float = 0.0
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    is_complete: bool = False  # every command ended and the guest said so
    console: str = ""  # from the first of a kernel's last words on, else its end
    panics: list[str] = field(default_factory=list)  # the consoles of the boots before


# ---- the initramfs ---------------------------------------------------------------------------

# Commands write to a file: on a serial line they would believe to be on a terminal.  /tmp is part
# of the root, a tmpfs itself: a mount would hide build trees below it.
INIT_HEAD = f"""#!/bin/busybox sh
export PATH=/programs:/bin HOME=/root TERM=dumb
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t bpf bpf /sys/fs/bpf
mount -t tracefs trace /sys/kernel/tracing
ip link set lo up
stty -F /dev/ttyS1 raw
exec </dev/null >/dev/ttyS1 2>&1
now() {{ cut -d' ' -f1 /proc/uptime; }}
run() {{ # NAME SECONDS
  echo "{MARK} begin $1 $(now)"
  timeout -s KILL $2 sh -e /commands/$1 >/tmp/output 2>&1
  status=$?
  kill -9 -1 # nothing of a command outlives it
  cat /tmp/output
  echo
  echo "{MARK} end $1 $status $(now)"
}}
echo "{MARK} up $(uname -r)"
"""
INIT_TAIL = f"""echo "{MARK} done"
poweroff -f
"""


# psi=0: without it the scheduler has a jump that is patched when cgroups come and go, and emulated
# CPUs trap in the middle of that.
KERNEL_ARGUMENTS = "console=ttyS0 panic=-1 quiet psi=0"


def shared_libraries(program: Path) -> set[Path]:
    """All that the loader would map, the loader itself too; empty for a static program."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return {Path(path) for path in re.findall(r"(/\S+) \(0x[0-9a-f]+\)", listed)}


def install(file: Path, root: Path) -> None:
    """Into /programs; an executable without its debug sections, and with its libraries.  Its own
    path leads there too: tests know their programs by it."""
    copy = root / "programs" / file.name
    if os.access(file, os.X_OK):
        subprocess.run(["strip", "--strip-debug", "--keep-section=.debug_frame", "-o", copy, file], check=True)
    else:
        shutil.copy2(file, copy)
    for library in shared_libraries(file):
        target = root / library.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(library, target)
    own_path = root / file.absolute().relative_to("/")
    own_path.parent.mkdir(parents=True, exist_ok=True)
    own_path.unlink(missing_ok=True)  # an applet of busybox
    own_path.symlink_to(f"/programs/{file.name}")


# A file that a thread is writing while another one forks cannot be run by anybody until that child
# has run its own program (ETXTBSY): so guests are built one after the other.
BUILDING = threading.Lock()


def build_initramfs(directory: Path, files: Iterable[Path], commands: Iterable[Command]) -> Path:
    """directory/initramfs: the files in /programs, busybox in /bin, the commands in /commands."""
    root = directory / "root"
    for folder in ("bin", "commands", "dev", "proc", "programs", "root", "sys", "tmp"):
        (root / folder).mkdir(parents=True)
    shutil.copy2(shutil.which("busybox"), root / "bin/busybox")
    for applet in subprocess.check_output([root / "bin/busybox", "--list"], text=True).split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    for file in files:
        install(file, root)
    lines = []
    for command in commands:
        (root / "commands" / command.name).write_text(command.shell + "\n")
        lines.append(f"run {shlex.quote(command.name)} {command.timeout_s}\n")
    (root / "init").write_text(INIT_HEAD + "".join(lines) + INIT_TAIL)
    (root / "init").chmod(0o755)
    return pack(root, directory / "initramfs")


def pack(root: Path, archive: Path) -> Path:
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    with archive.open("wb") as out:  # not compressed: the guest would unpack it slowly
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=root, check=True,
                       input=names.encode(), stdout=out)
    return archive


# ---- the boot --------------------------------------------------------------------------------


# One thread for all CPUs of a guest: where each has its own, kernels trap in code that another CPU is
# patching (static keys), and two guests at a time keep two cores busy anyway.
def emulator(kernel: Path, initramfs: Path, directory: Path) -> list:
    return ["setpriv", "--pdeathsig", "KILL",  # no guest outlives its test
            "qemu-system-x86_64", "-accel", "tcg,thread=single", "-m", str(MEMORY_MB), "-smp", str(CPU_COUNT),
            "-nodefaults", "-display", "none", "-no-reboot",
            "-serial", f"file:{directory / 'console'}", "-serial", f"file:{directory / 'results'}",
            "-kernel", kernel, "-initrd", initramfs, "-append", KERNEL_ARGUMENTS]


def read_text(path: Path) -> str:
    if not path.exists():
        return ""
    return path.read_bytes().decode(errors="replace").replace("\r\n", "\n")


def boot(kernel: Path, initramfs: Path, directory: Path, commands_timeout_s: int) -> float | None:
    """Runs one guest to its end or its deadline.  Seconds until it was up; None if it never was."""
    for stale in ("console", "results"):
        (directory / stale).unlink(missing_ok=True)
    start = time.monotonic()
    up_after_s = None
    deadline = start + BOOT_TIMEOUT_S
    command = emulator(kernel, initramfs, directory)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as guest:
        while guest.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
            if up_after_s is None and f"{MARK} up " in read_text(directory / "results"):
                up_after_s = time.monotonic() - start
                deadline = time.monotonic() + commands_timeout_s + END_TIMEOUT_S
        guest.kill()
    return up_after_s


def excerpt_of(console: str) -> str:
    lines = console.splitlines()
    first = next((at for at, line in enumerate(lines) if LAST_WORDS.search(line)), None)
    return "\n".join(lines[-CONSOLE_LINES:] if first is None else lines[first:first + CONSOLE_LINES])


def parse_outcomes(results: str) -> dict[str, Outcome]:
    block = re.compile(rf"^{MARK} begin (\S+) (\S+)\n(.*?)\n{MARK} end \1 (\d+) (\S+)$",
                       re.M | re.S)
    return {name: Outcome(int(status), output, float(end) - float(begin))
            for name, begin, output, status, end in block.findall(results)}


def run_guest(kernel: Path, files: Iterable[Path], commands: list[Command]) -> GuestRun:
    """Boots kernel and runs the commands in turn.  A guest that does not come up, or whose kernel
    panics, is tried once more, because emulated machines stumble now and then (the newest kernel was
    seen to, once, in the scheduler's pressure accounting); the panic is told.  A command that fails is not tried again."""
    run = GuestRun()
    with tempfile.TemporaryDirectory(prefix="waggle-guest-") as scratch:
        directory = Path(scratch)
        with BUILDING:
            initramfs = build_initramfs(directory, files, commands)
        while True:
            run.boots += 1
            up_after_s = boot(kernel, initramfs, directory, sum(c.timeout_s for c in commands))
            results = read_text(directory / "results")
            console = read_text(directory / "console")
            if run.boots == 2 or (up_after_s is not None and PANIC not in console):
                break
            run.panics.append(excerpt_of(console))
    run.boot_s = up_after_s or 0.0
    up = re.search(rf"^{MARK} up (\S+)$", results, re.M)
    run.release = up.group(1) if up else ""
    run.outcomes = parse_outcomes(results)
    run.is_complete = re.search(rf"^{MARK} done$", results, re.M) is not None
    run.console = excerpt_of(console)
    return run
