# SPDX-License-Identifier: Apache-2.0
"""Two threads in a C extension that releases the GIL: both run at once."""
# expected:
# stack main
#   <module>
#   compress
# stack thread
#   Thread.__bootstrap [2.7]
#   Thread._bootstrap [3.6-]
#   Thread.__bootstrap_inner [2.7]
#   Thread._bootstrap_inner [3.6-]
#   Thread.run
#   compress
# end
import sys
import threading
import time
import zlib

DATA = b"\0" * (8 << 20)  # some 50 ms each time; crc32 keeps the GIL in 2.7
entered = []


def compress():
    entered.append(1)
    while True:
        zlib.compress(DATA)


thread = threading.Thread(target=compress, name="compress")
thread.daemon = True
thread.start()
while not entered:
    time.sleep(0.001)
sys.stdout.write("ready\n")
sys.stdout.flush()
compress()
