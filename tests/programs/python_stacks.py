# SPDX-License-Identifier: Apache-2.0
# -*- coding: utf-8 -*-
"""Stands in a stack of known shape until it is killed: python_stacks.py CASE.

Runs on Python 2.7 and all of 3.  A line that a frame stands at ends in "# at NAME"; tests look
those numbers up.
"""
import sys
import threading
import time


def wait():
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        time.sleep(1000)  # at wait


def spin():
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    x = 0
    while True:
        x = (x + 1) % 1000


def recurse(depth, leaf):
    if depth > 1:
        return recurse(depth - 1, leaf)  # at recurse
    return leaf()  # at recurse_end


def case_recursion():
    recurse(300, wait)  # at case_recursion


class Shape(object):
    def method(self):
        return self.make()  # at Shape.method

    @classmethod
    def make(cls):
        return cls.static()  # at Shape.make

    @staticmethod
    def static():
        return (lambda: wait())()  # at Shape.static

    def captured(self):
        def inner():
            return self.leaf()  # at inner
        return inner()  # at Shape.captured

    def leaf(self):
        return wait()  # at Shape.leaf


def case_methods():
    Shape().method()  # at case_methods


def case_closure():
    Shape().captured()  # at case_closure


class Old:  # of 2.7 without object below
    def method(self):
        return wait()  # at Old.method

    @classmethod
    def make(cls):
        return cls().method()  # at Old.make


def case_old_style():
    Old.make()  # at case_old_style


def count_down(n):
    while n > 0:
        if n == 1:
            wait()  # at count_down
        yield n
        n -= 1


def pass_on(items):
    for item in items:  # at pass_on
        yield item


def case_generator():
    for _ in pass_on(count_down(3)):  # at case_generator
        pass


def case_comprehension():
    return [wait() for _ in (1,)]  # at case_comprehension


def key_of(item):
    return wait()  # at key_of


def case_callback():
    sorted([2, 1], key=key_of)  # at case_callback


def case_nested_callback():
    sorted([2, 1], key=lambda item: sorted([1], key=key_of))  # at case_nested_callback


def case_exec():
    scope = {"wait": wait}
    exec(compile("def made():\n  wait()\nmade()\n", "<made up>", "exec"), scope)  # at case_exec


def case_names():
    source = (u"class Caf\u00e9:\n"
              u"  def r\u00e9sum\u00e9(self): return \u0438\u043c\u044f()\n"
              u"def \u0438\u043c\u044f(): return \u540d\u524d()\n"
              u"def \u540d\u524d(): return \U00010428()\n"
              u"def \U00010428(): return wait()\n"
              u"Caf\u00e9().r\u00e9sum\u00e9()\n")
    exec(compile(source, u"/tmp/\u043f\u0443\u0442\u044c/\U0001f40d.py", "exec"), {"wait": wait})


def case_exception():
    try:
        raise ValueError()
    except ValueError:
        wait()  # at case_exception


class Worker(threading.Thread):
    def run(self):
        self.started_well.set()
        recurse(self.depth, self.forever)  # at Worker.run

    def forever(self):
        while True:
            time.sleep(1000)  # at Worker.forever


def case_threads():
    for depth in range(1, 51):
        worker = Worker()
        worker.depth = depth
        worker.daemon = True
        worker.started_well = threading.Event()
        worker.start()
        worker.started_well.wait()
    time.sleep(0.2)
    wait()  # at case_threads


def case_spin():
    spin()


def nothing(item):
    return item


def case_spin_calls():
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        nothing(1)
        sorted([2, 1], key=nothing)


def case_spin_callback():
    sorted([2, 1], key=lambda item: recurse(3, lambda: sorted([1], key=lambda item: spin())))


def case_subinterpreter():
    make = None
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            make = __import__(name)
            break
        except ImportError:
            pass
    if make is None:
        sys.stdout.write("none\n")
        sys.stdout.flush()
        return
    code = "import sys, time\nsys.stdout.write('ready\\n')\nsys.stdout.flush()\ntime.sleep(1000)\n"
    made = make.create()
    if hasattr(make, "run_string"):
        make.run_string(made, code)  # at case_subinterpreter


if __name__ == "__main__":
    sys.setrecursionlimit(2000)
    globals()["case_" + sys.argv[1]]()  # at module
