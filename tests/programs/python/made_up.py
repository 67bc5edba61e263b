# SPDX-License-Identifier: Apache-2.0
"""Code without a file, by exec and eval."""
# expected:
# stack
#   <module>
#   run
#   <module>
#   <module>
#   made
#   burn
# end
import sys

SOURCE = """
def made():
    burn()
eval("made()")
"""


def burn():
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    x = 0
    while True:
        x = (x + 1) % 1000


def run():
    exec(compile(SOURCE, "<made up>", "exec"), {"burn": burn})


run()
