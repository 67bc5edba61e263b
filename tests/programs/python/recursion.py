# SPDX-License-Identifier: Apache-2.0
"""A recursion 300 deep."""
# expected:
# stack
#   <module>
#   recurse *300
#   burn
# end
import sys


def burn():
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    x = 0
    while True:
        x = (x + 1) % 1000


def recurse(depth):
    if depth > 1:
        return recurse(depth - 1)
    return burn()


sys.setrecursionlimit(2000)
recurse(300)
