# SPDX-License-Identifier: Apache-2.0
"""Ten functions that take their shares of the time, and four that take hardly any."""
import sys

TURNS = 1000  # some 3 ms for all of them: no profiler walks in step with that


def spend_first():
    for _ in range(20 * TURNS):
        pass


def spend_second():
    for _ in range(16 * TURNS):
        pass


def spend_third():
    for _ in range(13 * TURNS):
        pass


def spend_fourth():
    for _ in range(11 * TURNS):
        pass
    spend_fifth()


def spend_fifth():
    for _ in range(9 * TURNS):
        pass


def spend_sixth():
    for _ in range(8 * TURNS):
        pass


def spend_seventh():
    for _ in range(7 * TURNS):
        pass
    spend_eighth()


def spend_eighth():
    for _ in range(6 * TURNS):
        pass
    spend_ninth()


def spend_ninth():
    for _ in range(5 * TURNS):
        pass


def spend_tenth():
    for _ in range(4 * TURNS):
        pass


def idle_first():
    pass


def idle_second():
    pass


def idle_third():
    pass


def idle_fourth():
    pass


def spend_all():
    spend_first()
    idle_first()
    spend_second()
    idle_second()
    spend_third()
    idle_third()
    spend_fourth()
    idle_fourth()
    spend_sixth()
    spend_seventh()
    spend_tenth()


sys.stdout.write("ready\n")
sys.stdout.flush()
while True:
    spend_all()
