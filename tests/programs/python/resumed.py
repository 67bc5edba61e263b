# SPDX-License-Identifier: Apache-2.0
"""A generator that is resumed all the time: each of these is the stack now and then."""
# expected:
# stack
#   <module>
#   consume
# stack
#   <module>
#   consume
#   pass_on
# stack
#   <module>
#   consume
#   pass_on
#   count
# end
import sys


def count():
    n = 0
    while True:
        n += 1
        yield n % 1000


def pass_on(items):
    for item in items:
        yield item


def consume(items):
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for _ in items:
        pass


consume(pass_on(count()))
