# SPDX-License-Identifier: Apache-2.0
"""Ends after 100 ms of work: brief.py NAME.  Its thread is called NAME while it is in at_work()."""
import os
import sys
import time

comm = os.open("/proc/self/comm", os.O_WRONLY)


def at_work(name):
    os.write(comm, name)
    end = time.process_time() + 0.1
    while time.process_time() < end:
        for _ in range(1000):
            pass
    os.write(comm, b"done")


at_work(sys.argv[1].encode())
