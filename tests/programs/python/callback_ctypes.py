# SPDX-License-Identifier: Apache-2.0
"""C code of another library that calls back: a comparison of qsort(3), through ctypes."""
# expected:
# stack
#   <module>
#   sort
#   compare
#   burn
# end
import ctypes
import sys

NUMBERS = (ctypes.c_int * 2)(2, 1)
COMPARISON = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


def burn():
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    x = 0
    while True:
        x = (x + 1) % 1000


def compare(a, b):
    return burn()


def sort():
    ctypes.CDLL(None).qsort(NUMBERS, ctypes.c_size_t(2), ctypes.c_size_t(4), COMPARISON(compare))


sort()
