#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may include whom: the layer table of docs/ARCHITECTURE.md, checked.

    tools/check_layers.py [FOLDER]     a tree other than this repository
"""
import re
import sys
from pathlib import Path

from source_files import ROOT, source_files

ABI = {"bpf/abi"}
ALL_USERSPACE = {"userspace"}  # a prefix stands for all layers below it

# Layer -> what its files may include, besides files of the same layer and headers in <>.
MAY_INCLUDE = {
    "vmlinux": set(),
    "bpf/abi": set(),
    "bpf/lib": ABI | {"vmlinux"},
    "bpf": ABI | {"bpf/lib", "vmlinux"},
    "base": set(),
    "symbolizer": {"base"} | ABI,
    "userspace/attach": {"base"} | ABI,
    "userspace/process": {"userspace/attach", "symbolizer", "base"} | ABI,
    "userspace/profile": {"userspace/process", "symbolizer", "base"} | ABI,
    "userspace/output": {"userspace/profile", "base"},
    "userspace/remote": {"userspace/profile", "base"},
    "userspace/metadata": {"userspace/remote", "userspace/process", "symbolizer", "base"},
    "userspace/samplers": {"userspace/attach", "userspace/process", "userspace/profile",
                           "base", "skel"} | ABI,
    # python_step.h is pure: the walk that the kernel side does, over process_vm_readv(2).
    "userspace/runtimes": {"userspace/attach", "userspace/process", "symbolizer", "base",
                           "bpf/lib"} | ABI,
    "userspace/select": {"userspace/attach", "userspace/process", "symbolizer", "base"} | ABI,
    "userspace/tools": {"userspace/profile", "userspace/process", "base"},
    "userspace/runtime_profilers": {"userspace/tools", "userspace/runtimes", "userspace/profile",
                                    "userspace/process", "base"},
    "userspace/health": {"base"} | ABI,
    # They hand the counters and limits of bpf/abi to whoever prints them.
    "userspace/cli": ALL_USERSPACE | {"symbolizer", "base"} | ABI,
    "userspace": ALL_USERSPACE | {"symbolizer", "base"} | ABI,
    "tests": ALL_USERSPACE | {"bpf", "vmlinux", "symbolizer", "base", "skel"},
}

# Header of a library -> the layers or files that may name it; all others may not.
EXTERNAL = {
    r"spdlog/": ["base/log.cpp"],
    r"bpf/": ["bpf", "userspace/attach", "userspace/process", "userspace/samplers",
              "userspace/runtimes", "userspace/select", "userspace/cli", "userspace/agent.cpp",
              "tests"],
    r"linux/bpf\.h": ["bpf", "userspace/attach", "userspace/process", "userspace/samplers",
                      "userspace/runtimes", "userspace/select", "userspace/cli", "tests"],
    r"curl/": ["userspace/remote"],
    r"event2/": ["userspace/health"],
    r"(gtest|gmock)/": ["tests"],
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(?:"([^"\n]+)"|<([^>\n]+)>)', re.MULTILINE)


def is_under(name, prefix):
    return name == prefix or name.startswith(prefix + "/")


def layer_of(path):
    """The longest prefix of `path` that is a layer (or a folder of userspace/ that should be one),
    or None for a file outside of all."""
    if path.endswith(".skel.h"):
        return "skel"
    parts = path.split("/")[:-1]
    for count in range(len(parts), 0, -1):
        prefix = "/".join(parts[:count])
        if prefix in MAY_INCLUDE or (count == 2 and parts[0] == "userspace"):
            return prefix
    return None


def check_include(path, included):
    """The complaint about one `#include "included"` in `path`, or None."""
    layer, target = layer_of(path), layer_of(included)
    if included.endswith(".cpp"):
        return f"includes the source file {included}"
    if "/" not in included or included.startswith("."):
        return f'"{included}": write includes from the root of the repository'
    if target is None:
        return f'"{included}" lies in no layer: system headers are written with <>'
    if target == layer or any(is_under(target, prefix) for prefix in MAY_INCLUDE[layer]):
        return None
    return f"{layer} may not include {target} ({included})"


def check_external(path, header):
    for pattern, allowed in EXTERNAL.items():
        if re.match(pattern, header) and not any(is_under(path, place) for place in allowed):
            return f"may not include <{header}> (allowed in {', '.join(allowed)})"
    return None


def check_sides(path):
    """The suffix tells the side: no kernel source outside bpf/, no C++ source inside it."""
    is_kernel = bool(re.search(r"\.bpf\.[ch]$", path))
    if is_kernel and not is_under(path, "bpf") and not is_under(path, "tests"):
        return "is a kernel side file outside bpf/"
    if path.endswith(".cpp") and is_under(path, "bpf"):
        return "is a C++ source file inside bpf/"
    return None


def check_tree(root):
    """All complaints about the tree at `root`, each 'path: what'."""
    complaints, skeleton_users = [], {}
    for path in source_files(root):
        if not re.search(r"\.(h|c|cpp)$", path):
            continue
        if layer_of(path) not in MAY_INCLUDE:
            complaints.append(f"{path}: the folder has no row in the layer table")
            continue
        found = [check_sides(path)]
        for ours, theirs in INCLUDE.findall((Path(root) / path).read_text(errors="replace")):
            found.append(check_include(path, ours) if ours else check_external(path, theirs))
            if ours.endswith(".skel.h"):
                skeleton_users.setdefault(ours, []).append(path)
        complaints += [f"{path}: {what}" for what in found if what]
    for skeleton, users in sorted(skeleton_users.items()):
        for user in users:
            if not user.endswith(".cpp"):
                complaints.append(f"{user}: a header includes the skeleton {skeleton}")
        product = [user for user in users if not is_under(user, "tests")]
        if len(product) > 1:
            complaints.append(f"{skeleton}: included by more than one file: {', '.join(product)}")
    return complaints


def main():
    complaints = check_tree(sys.argv[1] if len(sys.argv) > 1 else ROOT)
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
