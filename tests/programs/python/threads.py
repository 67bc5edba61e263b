# SPDX-License-Identifier: Apache-2.0
"""50 threads with names, each in a recursion of its own depth."""
# expected:
# idle
#   <module>
# stack worker n=1..50
#   Thread.__bootstrap [2.7]
#   Thread._bootstrap [3.6-]
#   Thread.__bootstrap_inner [2.7]
#   Thread._bootstrap_inner [3.6-]
#   Thread.run
#   descend *n
#   burn
# end
import sys
import threading
import time

COUNT = 50
arrived = []
gate = threading.Lock()


def burn():
    arrived.append(1)
    gate.acquire()
    gate.release()
    x = 0
    while True:
        x = (x + 1) % 1000


def descend(depth):
    if depth > 1:
        return descend(depth - 1)
    return burn()


# All of them stand in burn() before the first one runs: beside others that are busy, each would
# wait long for its turn to start.
gate.acquire()
for number in range(1, COUNT + 1):
    worker = threading.Thread(target=descend, args=(number,), name="worker-%d" % number)
    worker.daemon = True
    worker.start()
while len(arrived) < COUNT:
    time.sleep(0.001)
sys.stdout.write("ready\n")
sys.stdout.flush()
gate.release()
time.sleep(100000)
