# SPDX-License-Identifier: Apache-2.0
"""Exceptions that are raised and caught all the time: each of these is the stack now and then."""
# expected:
# stack
#   <module>
# stack
#   <module>
#   attempt
# stack raised n=1..3
#   <module>
#   attempt
#   fail *n
# end
import sys


def fail(depth):
    if depth > 1:
        fail(depth - 1)
    raise ValueError(depth)


def attempt():
    try:
        fail(3)
    except ValueError:
        pass


sys.stdout.write("ready\n")
sys.stdout.flush()
while True:
    attempt()
