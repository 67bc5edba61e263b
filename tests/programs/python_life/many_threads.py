# SPDX-License-Identifier: Apache-2.0
"""One thread that works without the GIL and began before all others: many_threads.py COUNT.

So its thread state is the last of the list.
"""
import sys
import threading
import zlib

DATA = b"\0" * (8 << 20)  # some 50 ms each time
at_work = threading.Event()


def compress():
    at_work.set()
    while True:
        zlib.compress(DATA)


def start(function):
    thread = threading.Thread(target=function)
    thread.daemon = True
    thread.start()


threading.stack_size(256 * 1024)
start(compress)
at_work.wait()
never = threading.Event()
for _ in range(int(sys.argv[1])):
    start(never.wait)
sys.stdout.write("ready\n")
sys.stdout.flush()
never.wait()
