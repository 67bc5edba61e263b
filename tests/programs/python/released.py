# SPDX-License-Identifier: Apache-2.0
"""Two threads in a C extension that releases the GIL: both run at once."""
# expected:
# stack main
#   <module>
#   checksum
# stack thread
#   Thread.__bootstrap [2.7]
#   Thread._bootstrap [3.6-]
#   Thread.__bootstrap_inner [2.7]
#   Thread._bootstrap_inner [3.6-]
#   Thread.run
#   checksum
# end
import sys
import threading
import time
import zlib

DATA = b"\0" * (64 << 20)  # some 50 ms each time
entered = []


def checksum():
    entered.append(1)
    while True:
        zlib.crc32(DATA)


thread = threading.Thread(target=checksum, name="checksum")
thread.daemon = True
thread.start()
while not entered:
    time.sleep(0.001)
sys.stdout.write("ready\n")
sys.stdout.flush()
checksum()
