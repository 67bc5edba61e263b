# SPDX-License-Identifier: Apache-2.0
"""One of many: crowd.py NUMBER COUNT FOLDER.

All COUNT are there before the first one works, in a function work_NUMBER that is the same as
everybody else's but for its name.  Two work at a time, each for 20 ms of CPU time.
"""
import fcntl
import os
import sys
import time

number, count, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
exec("""def work_%d(end):
    while time.process_time() < end:
        for _ in range(1000):
            pass
""" % number)
work = globals()["work_%d" % number]
turn = os.open("%s/turn_%d" % (folder, number % 2), os.O_RDWR | os.O_CREAT)
arrived = os.open(folder + "/arrived", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.write(arrived, b".")
while os.fstat(arrived).st_size < count:
    time.sleep(0.1)
fcntl.flock(turn, fcntl.LOCK_EX)
work(time.process_time() + 0.02)
