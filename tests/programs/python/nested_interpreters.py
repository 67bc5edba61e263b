# SPDX-License-Identifier: Apache-2.0
"""Four interpreters, each inside the one before, on one thread."""
# expected:
# versions 3.11-
# stack
#   <module>
#   start
#   -- interpreter
#   <module>
#   start
#   -- interpreter
#   <module>
#   start
#   -- interpreter
#   <module>
#   burn
# end
SOURCE = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters


def burn():
    import sys
    sys.stdout.write("ready\\n")
    sys.stdout.flush()
    x = 0
    while True:
        x = (x + 1) % 1000


def start():
    depth = int(DEPTH) - 1
    if depth == 0:
        # The last is the oldest: what was made first need not be what calls.
        interpreters.run_string(int(OLDEST), text(depth))
    else:
        interpreters.run_string(interpreters.create(), text(depth))


def text(depth):
    named = "DEPTH = %d; OLDEST = %d; SOURCE = %r\\n" % (depth, int(OLDEST), SOURCE)
    return named + SOURCE + ("burn()" if depth == 0 else "start()")
"""

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

DEPTH = 3
oldest = interpreters.create()  # it lives as long as this does
OLDEST = int(oldest)
exec(SOURCE)
start()
