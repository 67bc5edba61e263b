# SPDX-License-Identifier: Apache-2.0
"""Threads that end at once: come_and_go.py SECONDS of CPU time, then it prints their number.

Each thread is called by the name of the one function that it runs.
"""
import _thread
import os
import sys
import time


def rename(name):
    comm = os.open("/proc/thread-self/comm", os.O_WRONLY)
    os.write(comm, name)
    os.close(comm)


def even(turns, done):
    rename(b"even")
    while turns:
        turns -= 1
    done.release()


def odd(turns, done):
    rename(b"odd")
    while turns:
        turns -= 1
    done.release()


def start_all(end):
    started = 0
    locks = [_thread.allocate_lock(), _thread.allocate_lock()]
    while time.process_time() < end:
        for function, lock in zip((even, odd), locks):
            lock.acquire()
            _thread.start_new_thread(function, (2000, lock))
            started += 1
        for lock in locks:
            lock.acquire()
            lock.release()
    return started


print(start_all(time.process_time() + float(sys.argv[1])))
