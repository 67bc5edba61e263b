#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Names and small rules that no compiler checks (CONTRIBUTING.md): file names, licence lines,
names of BPF maps, programs and globals, absolute paths, sizes.

    tools/check_names.py [FOLDER]     a tree other than this repository
"""
import re
import sys
from pathlib import Path

from source_files import ROOT, source_files

MAX_FILE_BYTES = 400_000
MAX_MAP_NAME = 15  # the kernel cuts the rest
OBJECT_PREFIX = 8  # libbpf names .rodata and .bss maps after so much of the object's name

FORBIDDEN_FOLDERS = {"common", "utils", "util", "misc", "helpers"}
SOURCE = re.compile(r"\.(h|c|cpp|py|sh)$")
STEM = re.compile(r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$")
SPDX = re.compile(r"SPDX-License-Identifier: (Apache-2\.0|GPL-2\.0(-only|-or-later)?"
                  r"( WITH Linux-syscall-note)?|\(?GPL-2\.0(-only)? (OR|AND) [A-Za-z0-9.-]+\)?)")
UNNUMBERED_NOTE = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b(?!\(#\d+\))")
# Paths that exist on the author's machine only.  /root/ and the like in a test's data are not
# told apart from those, so tests use other names.
MACHINE_PATH = re.compile(r"""(?<![\w.${}/~*-])/(?:home|root|work|Users|mnt|workspace|workspaces)/[\w.-]+""")

MAP = re.compile(r"(\w+)\s+SEC\(\"\.maps[\w.]*\"\)")
PROGRAM = re.compile(r"SEC\(\"[^\"]+\"\)\s*(?:__weak\s+)?int\s+(?:BPF_PROG\((\w+)|(\w+)\s*\()")
GLOBAL = re.compile(r"^(?:const\s+volatile|volatile\s+const|volatile)\s+[\w\s]*?\b(\w+)"
                    r"(?:\[[^\]]*\])?\s*(?:=|;|SEC\()", re.MULTILINE)
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


def check_path(path):
    *folders, name = path.split("/")
    for folder in folders:
        if folder in FORBIDDEN_FOLDERS:
            yield f"a folder named {folder}/ explains nothing"
    stem = re.sub(r"\.(bpf|skel)?\.?(h|c|cpp|py|sh)$", "", name)
    if SOURCE.search(name) and not STEM.match(stem):
        yield "file names are snake_case"


def check_text(path, text):
    lines = text.split("\n")
    first = lines[1] if lines[0].startswith("#!") and len(lines) > 1 else lines[0]
    is_script = lines[0].startswith("#!")
    if (SOURCE.search(path) or is_script) and not SPDX.search(first):
        yield "the first line (after #!) is the SPDX licence line"
    if path != "tools/check_names.py":
        for number, line in enumerate(lines, 1):
            if UNNUMBERED_NOTE.search(line) and SOURCE.search(path):
                yield f"line {number}: a note for later needs an issue: TODO(#123)"
            if MACHINE_PATH.search(line):
                yield f"line {number}: an absolute path of one machine: {line.strip()[:60]}"


def bpf_prefix(path, text):
    """The short stem that all names of a BPF source share: that of its first map or program."""
    found = [name for pair in PROGRAM.findall(text) for name in pair if name] or MAP.findall(text)
    return found[0].split("_")[0] if found else None


def check_bpf(path, text):
    text = COMMENT.sub("", text)
    maps = MAP.findall(text)
    programs = [name for pair in PROGRAM.findall(text) for name in pair if name]
    for name in maps:
        if len(name) > MAX_MAP_NAME:
            yield f"map {name}: {len(name)} characters, the kernel keeps {MAX_MAP_NAME}"
    for name in maps + GLOBAL.findall(text):
        if "_" not in name and name != "LICENSE":
            yield f"{name}: maps and globals are named <prefix>_<what>"
    if path.endswith(".bpf.c"):
        for name in programs:
            if not re.match(r"^[a-z0-9]+(_[a-z0-9]+)*_on_[a-z0-9_]+$", name):
                yield f"program {name}: programs are named <stem>_on_<event>"
        prefix = bpf_prefix(path, text)
        for name in programs:
            if prefix and not name.startswith(prefix + "_"):
                yield f"program {name}: does not start with {prefix}_, as the others of the file"


def check_objects(paths):
    """libbpf cuts an object's name to 8 characters where it names its maps."""
    seen = {}
    for path in paths:
        match = re.fullmatch(r"bpf/(\w+)\.bpf\.c", path)
        if match:
            other = seen.setdefault(match[1][:OBJECT_PREFIX], path)
            if other != path:
                yield f"{path}: its first {OBJECT_PREFIX} characters are those of {other}"


def check_tree(root):
    """All complaints about the tree at `root`, each 'path: what'."""
    paths = source_files(root)
    complaints = list(check_objects(paths))
    for path in paths:
        data = (Path(root) / path).read_bytes()
        found = list(check_path(path))
        if len(data) > MAX_FILE_BYTES:
            found.append(f"{len(data)} bytes: files over {MAX_FILE_BYTES} do not belong in git")
        if b"\0" not in data[:8192] and len(data) <= MAX_FILE_BYTES:
            text = data.decode(errors="replace")
            found += check_text(path, text)
            if re.match(r"bpf/.*\.bpf\.[ch]$", path):
                found += check_bpf(path, text)
        complaints += [f"{path}: {what}" for what in found]
    return complaints


def main():
    complaints = check_tree(sys.argv[1] if len(sys.argv) > 1 else ROOT)
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
