# SPDX-License-Identifier: Apache-2.0
"""Generators that take from generators; the innermost is busy between two values."""
# expected:
# stack
#   <module>
#   consume
#   pass_on
#   count
# end
import sys


def count():
    yield 1
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    x = 0
    while True:
        x = (x + 1) % 1000


def pass_on(items):
    for item in items:
        yield item


def consume(items):
    for _ in items:
        pass


consume(pass_on(count()))
