# SPDX-License-Identifier: Apache-2.0
"""A child without exec: its pid is the second line of the output.  It ends with its parent."""
# expected:
# idle parent
#   <module>
#   wait
# stack child
#   <module>
#   work
#   burn
# end
import os
import sys


def burn(parent):
    sys.stdout.write("ready\n%d\n" % os.getpid())
    sys.stdout.flush()
    x = 0
    while os.getppid() == parent:
        x = (x + 1) % 1000


def work(parent):
    burn(parent)


def wait(child):
    os.waitpid(child, 0)


started_by = os.getpid()
forked = os.fork()
if forked:
    wait(forked)
else:
    work(started_by)
