#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the hand-kept vmlinux/vmlinux.h with what a kernel really has (its BTF).

Every struct, union, enum and typedef declared there must exist in the kernel, each field in the
struct of that name (anonymous members are looked into) with the same kind and size, each
enumerator with the same value.  Types outside the preserve_access_index region get no relocation:
their fields must also lie at the same offset.

What only some kernels have may be absent: fields of a flavour (struct name___suffix), and what
bpf/ asks for with bpf_core_{enum_value,field,type}_exists().  The enumerators of a flavour are
relocated: their values are not compared.

    tools/check_core_fields.py [--header FILE] [--btf FILE]
"""
import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from source_files import ROOT, matches, source_files

RUNNING_KERNEL = "/sys/kernel/btf/vmlinux"
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
RECORD = re.compile(r"^(struct|union|enum)\s+(\w+)\s*\{", re.MULTILINE)
TYPEDEF = re.compile(r"^typedef\s+[^;{]*(?:\{[^}]*\})?[^;{}]*?\b(\w+)\s*;", re.MULTILINE)
ANONYMOUS_ENUM = re.compile(r"^enum\s*\{([^}]*)\}", re.MULTILINE)
RELOCATED = re.compile(r"attribute push\(__attribute__\(\(preserve_access_index\)\).*?"
                       r"attribute pop", re.DOTALL)
# bpf_core_enum_value_exists(enum x, NAME), bpf_core_field_exists(p->NAME), ..._type_exists(struct NAME)
GUARD = re.compile(r"bpf_core_(?:enum_value|field|type)_exists\(\s*(?:[^()]*?[\s.>,])?(\w+)\s*\)")
MODIFIERS = {"TYPEDEF", "CONST", "VOLATILE", "RESTRICT", "TYPE_TAG"}
KIND_OF = {"ENUM64": "INT", "ENUM": "INT", "FWD": "STRUCT", "UNION": "STRUCT"}


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"check_core_fields: {command[0]} failed:\n{done.stderr}")
    return done.stdout


class Btf:
    """The types of one BTF file, by id and by (kind, name)."""

    def __init__(self, path):
        bpftool = shutil.which("bpftool") or "/usr/sbin/bpftool"
        types = json.loads(run(bpftool, "-j", "btf", "dump", "file", str(path)))["types"]
        self.by_id = {entry["id"]: entry for entry in types}
        self.by_name = {}
        self.enumerators = {}
        for entry in types:
            kind = "ENUM" if entry["kind"] == "ENUM64" else entry["kind"]
            self.by_name.setdefault((kind, entry["name"]), entry)
            for value in entry.get("values", []):
                self.enumerators.setdefault(value["name"], value["val"])

    def strip(self, type_id):
        """The type behind typedefs and qualifiers; None is void."""
        entry = self.by_id.get(type_id)
        while entry and entry["kind"] in MODIFIERS:
            entry = self.by_id.get(entry["type_id"])
        return entry

    def size_bits(self, member):
        """Bits of a member; None where the type has no size of its own."""
        if member.get("bitfield_size"):
            return member["bitfield_size"]
        entry = self.strip(member["type_id"])
        if entry is None or entry["kind"] in ("FWD", "FUNC_PROTO"):
            return None
        if entry["kind"] == "PTR":
            return 64
        if entry["kind"] == "ARRAY":
            element = self.size_bits({"type_id": entry["type_id"]})
            return None if element is None else element * entry["nr_elems"]
        return entry["size"] * 8

    def members(self, entry, base_bits=0):
        """(name, offset in bits, member), those of anonymous members too."""
        for member in entry.get("members", []):
            offset = base_bits + member["bits_offset"]
            if member["name"] in ("(anon)", ""):
                yield from self.members(self.strip(member["type_id"]), offset)
            else:
                yield member["name"], offset, member

    def shape(self, member):
        """What a field must have in common: its kind, and the size where that is part of it."""
        entry = self.strip(member["type_id"])
        kind = "VOID" if entry is None else KIND_OF.get(entry["kind"], entry["kind"])
        if kind == "ARRAY":
            return kind, self.shape({"type_id": entry["type_id"]})
        if kind == "STRUCT":  # only the fields we name have to agree
            return kind, entry["name"].split("___")[0]
        return kind, self.size_bits(member)


def describe(shape):
    kind, detail = shape
    if kind == "ARRAY":
        return f"array of {describe(detail)}"
    return f"{kind.lower()} {detail}" if kind == "STRUCT" else f"{kind.lower()} of {detail} bits"


def check_field(where, ours, theirs, field, is_relocated):
    """Complaints about one field of ours = (btf, entry) against theirs, None if it is absent."""
    (our_btf, _), (their_btf, their_entry) = ours, theirs
    name, offset, member = field
    found = [(at, other) for other_name, at, other in their_btf.members(their_entry)
             if other_name == name]
    if not found:
        return None
    their_offset, other = found[0]
    wanted, has = our_btf.shape(member), their_btf.shape(other)
    complaints = []
    # A union may have grown a narrower first member: one of our shape in the same place will do.
    at_same_place = [their_btf.shape(candidate) for _, at, candidate
                     in their_btf.members(their_entry) if at == their_offset]
    if wanted != has and wanted not in at_same_place:
        complaints.append(f"{where}.{name} is {describe(has)}, not {describe(wanted)}")
    if not is_relocated and offset != their_offset:
        complaints.append(f"{where}.{name} lies at bit {their_offset}, not {offset}, and the "
                          f"struct is not relocated")
    return complaints


class Report:
    def __init__(self):
        self.complaints, self.absent, self.checked = [], [], 0


class Header:
    """What the header declares: names by its text, shapes by compiling it."""

    def __init__(self, path):
        self.path = path
        self.text = COMMENT.sub("", path.read_text())
        relocated = "\n".join(RELOCATED.findall(self.text))
        self.records = RECORD.findall(self.text)
        self.relocated = {name for _, name in RECORD.findall(relocated)}
        self.typedefs = TYPEDEF.findall(self.text)
        self.btf = self.compile()

    def compile(self):
        variables = [f"{kind} {name}" for kind, name in self.records] + self.typedefs
        source = f'#include "{self.path}"\nint so_that_there_is_btf;\n' + "".join(
            f"{variable} variable_{number};\n" for number, variable in enumerate(variables))
        with tempfile.TemporaryDirectory() as folder:
            written, compiled = Path(folder) / "header.c", Path(folder) / "header.o"
            written.write_text(source)
            run("clang-19", "-g", "-O2", "--target=bpf", f"-I{ROOT}", "-c", str(written),
                "-o", str(compiled))
            return Btf(compiled)

    def anonymous_enumerators(self):
        for body in ANONYMOUS_ENUM.findall(self.text):
            value = -1
            for part in filter(None, (part.strip() for part in body.split(","))):
                name, _, number = (word.strip() for word in part.partition("="))
                value = int(number, 0) if number else value + 1
                yield name, value


def check_record(kind, name, header, kernel, guarded, report):
    real_name, _, flavour = name.partition("___")
    theirs = kernel.by_name.get((kind.upper(), real_name))
    if theirs is None:
        if flavour or name in guarded:
            report.absent.append(f"{kind} {name}")
        else:
            report.complaints.append(f"{kind} {real_name}: the kernel has none")
        return
    ours = header.btf.by_name[kind.upper(), name]
    if kind == "enum":
        check_enumerators(name, ours["values"], {value["name"]: value["val"]
                                                 for value in theirs["values"]}, guarded, report)
        return
    for field in header.btf.members(ours):
        report.checked += 1
        found = check_field(real_name, (header.btf, ours), (kernel, theirs), field,
                            name in header.relocated)
        if found is None and (flavour or field[0] in guarded):
            report.absent.append(f"{kind} {name}.{field[0]}")
        elif found is None:
            report.complaints.append(f"{kind} {real_name} has no field {field[0]}")
        else:
            report.complaints += found


def check_enumerators(name, ours, theirs, guarded, report):
    for value in ours:
        report.checked += 1
        enumerator = value["name"].partition("___")[0]
        if enumerator not in theirs:
            if "___" in value["name"] or "___" in name or enumerator in guarded:
                report.absent.append(f"enum {name}: {enumerator}")
            else:
                report.complaints.append(f"enum {name} has no {enumerator}")
        elif theirs[enumerator] != value["val"] and enumerator not in guarded and "___" not in name:
            report.complaints.append(f"{enumerator} is {theirs[enumerator]}, not {value['val']}")


def check_typedef(name, header, kernel, report):
    ours, theirs = header.btf.by_name.get(("TYPEDEF", name)), kernel.by_name.get(("TYPEDEF", name))
    if theirs is None:
        report.complaints.append(f"typedef {name}: the kernel has none")
        return
    report.checked += 1
    wanted, has = header.btf.shape(ours), kernel.shape(theirs)
    if wanted != has:
        report.complaints.append(f"typedef {name} is {describe(has)}, not {describe(wanted)}")
    theirs = kernel.strip(theirs["type_id"])
    for field in header.btf.members(header.btf.strip(ours["type_id"])):
        report.checked += 1
        found = check_field(name, (header.btf, ours), (kernel, theirs), field, True)
        report.complaints += [f"{name} has no field {field[0]}"] if found is None else found


def check_header(header, kernel, guarded=frozenset()):
    """A Report on `header` against the BTF `kernel`."""
    report = Report()
    for kind, name in header.records:
        check_record(kind, name, header, kernel, guarded, report)
    for name in header.typedefs:
        check_typedef(name, header, kernel, report)
    for name, value in header.anonymous_enumerators():
        if name not in kernel.enumerators:  # a macro in the kernel: BTF knows nothing of it
            continue
        report.checked += 1
        if kernel.enumerators[name] != value:
            report.complaints.append(f"{name} is {kernel.enumerators[name]}, not {value}")
    return report


def guards_in_bpf():
    names = set()
    for path in source_files():
        if matches(path, ["bpf/*.h", "bpf/*.c"]):
            names.update(GUARD.findall(COMMENT.sub("", (ROOT / path).read_text())))
    return names


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--header", type=Path, default=ROOT / "vmlinux/vmlinux.h")
    parser.add_argument("--btf", default=RUNNING_KERNEL, help=f"default: {RUNNING_KERNEL}")
    options = parser.parse_args()
    if not Path(options.btf).exists():
        print(f"check_core_fields: {options.btf} does not exist: this kernel has no BTF; "
              f"give one with --btf", file=sys.stderr)
        return 77
    report = check_header(Header(options.header.resolve()), Btf(options.btf), guards_in_bpf())
    for line in report.complaints:
        print(f"{options.header.name}: {line}")
    for line in report.absent:
        print(f"absent in this kernel, as allowed: {line}")
    print(f"{report.checked} fields, enumerators and typedefs checked, "
          f"{len(report.complaints)} wrong")
    return 1 if report.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
