# SPDX-License-Identifier: Apache-2.0
"""Functions whose names hold what a profiler prints: newlines, whole lines of somebody else with a
count, separators, control characters; and one that is very long."""

import time

NAMES = [
    "f\nrecursion;main;recurse;forged (forged.py:1) 500000\n",
    "f (x.py:1);forged (forged.py:2) 500000",
    "f 123",
    "f\x1b[31m\x07\r\t\x00",
    "f" * 5000,
]


def burn():
    end = time.perf_counter() + 0.05
    while time.perf_counter() < end:
        pass


def renamed(name):
    def call():
        burn()

    call.__code__ = call.__code__.replace(co_name=name, co_filename=name + ".py")
    return call


CALLS = [renamed(name) for name in NAMES]
print("ready", flush=True)
while True:
    for call in CALLS:
        call()
