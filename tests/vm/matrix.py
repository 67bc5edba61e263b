#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""The kernel matrix: every job of jobs.py on every kernel of fetch_kernels.py, two at a time.

Prints a table and what went wrong.  Exit status: 0 all passed, 1 something failed, 77 skipped
because this machine cannot run guests.
"""

import argparse
import platform
import re
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from fetch_kernels import KERNELS, FetchError, fetch_kernels
from guest import NEEDED_TOOLS, Command, GuestRun, Outcome, run_guest
from jobs import JOBS, CheckFailed, Job, LoadedProgram, loaded_programs

EXIT_SKIPPED = 77
GUESTS_AT_A_TIME = 2
OUTPUT_TAIL_LINES = 200
OUTPUT_LINE_LENGTH = 200


@dataclass
class KernelReport:
    kernel: str
    release: str
    seconds: float
    boot_s: float
    programs: list[LoadedProgram] = field(default_factory=list)
    verdicts: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    skips: list[str] = field(default_factory=list)
    panics: list[str] = field(default_factory=list)

    def object_count(self) -> int:
        return len({loaded.object_name for loaded in self.programs})

    def instruction_count(self) -> int:
        """Of each program the dearest of its variants."""
        dearest: dict[tuple[str, str], int] = {}
        for loaded in self.programs:
            key = (loaded.object_name, loaded.program)
            dearest[key] = max(dearest.get(key, 0), loaded.instruction_count)
        return sum(dearest.values())


def why_not_here() -> str | None:
    if platform.machine() != "x86_64":
        return f"the guests are x86_64, this machine is {platform.machine()}"
    missing = [tool for tool in NEEDED_TOOLS if not shutil.which(tool)]
    return f"not installed: {', '.join(missing)}" if missing else None


def why_skipped(job: Job) -> str | None:
    missing = [str(file) for file in job.outside if not file.exists()]
    return f"not here: {', '.join(missing)}" if missing else None


def skipped_tests(output: str) -> list[str]:
    """GoogleTest's skipped tests with their reasons."""
    found = re.findall(r": Skipped\n(.*?)\n+\[  SKIPPED \] (\S+) \(", output, re.S)
    return [f"{test}: {reason.strip()}" for reason, test in found]


def excerpt(output: str) -> str:
    return "\n".join(line[:OUTPUT_LINE_LENGTH] for line in output.splitlines()[-OUTPUT_TAIL_LINES:])


def complaint_of(job: Job, outcome: Outcome | None, build: Path) -> str | None:
    if outcome is None:
        return "the guest ended before this job did"
    if outcome.status == 137 and outcome.seconds >= job.timeout_s:
        return f"not done after {job.timeout_s} s"
    if outcome.status != 0:
        return f"exit status {outcome.status}"
    try:
        job.check(outcome.output, build)
    except CheckFailed as error:
        return str(error)
    except (ValueError, KeyError) as error:
        return f"output that cannot be read: {error!r}"
    return None


def judge(kernel: str, run: GuestRun, jobs: list[Job], build: Path, seconds: float) -> KernelReport:
    report = KernelReport(kernel, run.release or "did not boot", seconds, run.boot_s)
    for job in jobs:
        outcome = run.outcomes.get(job.name)
        complaint = complaint_of(job, outcome, build)
        text = outcome.output if outcome else ""
        skips = skipped_tests(text)
        report.skips += [f"{kernel} {job.name}: {skip}" for skip in skips]
        passed = f"{len(skips)} skipped" if skips else "ok"
        report.verdicts[job.name] = "FAILED" if complaint else passed
        if complaint:
            report.failures.append(f"{kernel} {job.name}: {complaint}\n{excerpt(text)}")
        report.programs += loaded_programs(text)
    report.panics = [f"{kernel}: the first boot stumbled; its console:\n{text}"
                     for text in run.panics]
    if not run.is_complete:
        report.failures.append(f"{kernel}: the guest did not reach its end (boots: {run.boots}), "
                               f"its console:\n{run.console}")
    return report


def run_kernel(kernel: str, image: Path, jobs: list[Job], build: Path) -> KernelReport:
    start = time.monotonic()
    files = sorted({build / file for job in jobs for file in (*job.files, *job.outside)})
    run = run_guest(image, files, [Command(job.name, job.shell, job.timeout_s) for job in jobs])
    return judge(kernel, run, jobs, build, time.monotonic() - start)


def print_table(reports: list[KernelReport], jobs: list[Job]) -> None:
    titles = ["kernel", "release", "objects", "instructions", *(job.name for job in jobs),
              "boot s", "total s"]
    rows = [[report.kernel, report.release, str(report.object_count()),
             str(report.instruction_count() or "not told"),
             *(report.verdicts[job.name] for job in jobs),
             f"{report.boot_s:.1f}", f"{report.seconds:.1f}"] for report in reports]
    widths = [max(len(row[column]) for row in [titles, *rows]) for column in range(len(titles))]
    for row in [titles, *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, required=True, help="the build tree, as build/dev")
    parser.add_argument("--kernel", action="append", choices=[kernel.name for kernel in KERNELS],
                        help="only this one (repeatable)")
    parser.add_argument("--job", action="append", choices=[job.name for job in JOBS],
                        help="only this one (repeatable)")
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    reason = why_not_here()
    if reason:
        print(f"SKIPPED the kernel matrix: {reason}")
        return EXIT_SKIPPED
    jobs = [job for job in JOBS if not arguments.job or job.name in arguments.job]
    for job in jobs:
        if reason := why_skipped(job):
            print(f"SKIPPED {job.name}: {reason}")
    jobs = [job for job in jobs if not why_skipped(job)]
    missing = {file for job in jobs for file in job.files if not (arguments.build / file).exists()}
    if missing:
        print(f"not built in {arguments.build}: {', '.join(sorted(missing))}")
        return 1
    kernels = [k for k in KERNELS if not arguments.kernel or k.name in arguments.kernel]
    try:
        images = fetch_kernels(kernels)
    except FetchError as error:
        print(error)
        return 1
    with ThreadPoolExecutor(GUESTS_AT_A_TIME) as pool:
        runs = [pool.submit(run_kernel, name, image, jobs, arguments.build)
                for name, image in images.items()]
        reports = [run.result() for run in runs]
    print_table(reports, jobs)
    for report in reports:
        for skip in report.skips:
            print(f"SKIPPED {skip}")
        for panic in report.panics:
            print(f"\nSTUMBLED {panic}\n")
    failures = [failure for report in reports for failure in report.failures]
    for failure in failures:
        print(f"\nFAILED {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
