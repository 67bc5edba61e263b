# SPDX-License-Identifier: Apache-2.0
"""Prints what the interpreter itself says of the lines of some hundred functions, one a line:
VERSION FIRST TABLE START:END:LINE..., the version as PY_VERSION_HEX, the table in hexadecimal, offsets
in bytes and -1 for no line.

Runs on Python 2.7 and all of 3.
"""
import argparse
import dis
import json.decoder
import logging
import sys
import tarfile
import threading


def codes_of(module):
    with open(module.__file__.replace(".pyc", ".py"), "rb") as source:
        code = compile(source.read(), module.__file__, "exec")
    todo = [code]
    while todo:
        code = todo.pop()
        yield code
        todo.extend(c for c in code.co_consts if hasattr(c, "co_code"))


def lines_of(code):
    if hasattr(code, "co_lines"):
        return [(start, end, -1 if line is None else line) for start, end, line in code.co_lines()]
    starts = list(dis.findlinestarts(code))
    ends = [start for start, line in starts[1:]] + [len(code.co_code)]
    return [(start, end, line) for (start, line), end in zip(starts, ends)]


for one in (argparse, json.decoder, logging, tarfile, threading):
    for made in codes_of(one):
        table = made.co_linetable if sys.version_info >= (3, 10) else made.co_lnotab
        print("%d %d %s %s" % (
            sys.hexversion, made.co_firstlineno,
            "".join("%02x" % byte for byte in bytearray(table)) or "-",
            " ".join("%d:%d:%d" % item for item in lines_of(made))))
