# SPDX-License-Identifier: Apache-2.0
"""Functions without a name."""
# expected:
# stack
#   <module>
#   <lambda>
#   make
#   <lambda> [-3.10]
#   make.<locals>.<lambda> [3.11-]
#   burn
# end
import sys


def burn():
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    x = 0
    while True:
        x = (x + 1) % 1000


def make():
    return (lambda: burn())()


(lambda: make())()
