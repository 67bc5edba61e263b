# SPDX-License-Identifier: Apache-2.0
"""Busy in the handler of an exception, while another one waits for its `finally` to end."""
# expected:
# stack
#   <module>
#   clean_up
#   recover
#   burn
# end
import sys


def burn():
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    x = 0
    while True:
        x = (x + 1) % 1000


def fail(depth):
    if depth > 1:
        fail(depth - 1)
    raise ValueError(depth)


def recover():
    try:
        fail(3)
    except ValueError:
        burn()


def clean_up():
    try:
        fail(3)
    finally:
        recover()


clean_up()
