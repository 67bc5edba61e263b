# SPDX-License-Identifier: Apache-2.0
"""C code that calls back, twice over: the key function of a sort inside that of another."""
# expected:
# stack
#   <module>
#   outer_key
#   inner_key
#   burn
# end
import sys


def burn():
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    x = 0
    while True:
        x = (x + 1) % 1000


def inner_key(item):
    return burn()


def outer_key(item):
    return sorted([item], key=inner_key)


sorted([1, 2], key=outer_key)
