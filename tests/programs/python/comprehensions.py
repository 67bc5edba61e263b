# SPDX-License-Identifier: Apache-2.0
"""Comprehensions and a generator expression, as each version runs them: those of lists have no frame
in 2.7, and none but generator expressions has one since 3.12."""
# expected:
# stack
#   <module>
#   outer
#   <listcomp> [3.6-3.10]
#   outer.<locals>.<listcomp> [3.11]
#   middle
#   <dictcomp> [-3.10]
#   middle.<locals>.<dictcomp> [3.11]
#   leaf
#   <genexpr> [-3.10]
#   leaf.<locals>.<genexpr> [3.11-]
#   burn
# end
import sys


def burn():
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    x = 0
    while True:
        x = (x + 1) % 1000


def leaf():
    return list(burn() for _ in (1,))


def middle():
    return {leaf(): 1 for _ in (1,)}


def outer():
    return [middle() for _ in (1,)]


outer()
