# SPDX-License-Identifier: Apache-2.0
"""An interpreter inside another, on one thread: two thread states with one id."""
# expected:
# versions 3.8-
# stack
#   <module>
#   start
#   -- interpreter
#   <module>
#   burn
# end
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

SOURCE = """
import sys

def burn():
    sys.stdout.write("ready\\n")
    sys.stdout.flush()
    x = 0
    while True:
        x = (x + 1) % 1000

burn()
"""


def start():
    interpreters.run_string(interpreters.create(), SOURCE)


start()
