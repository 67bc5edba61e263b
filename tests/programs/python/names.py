# SPDX-License-Identifier: Apache-2.0
# -*- coding: utf-8 -*-
"""Names in characters of one, two and four bytes."""
# expected:
# versions 3.6-
# stack
#   <module>
#   Café.résumé
#   имя
#   名前
#   𐐨
#   burn
# end
import sys


def burn():
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    x = 0
    while True:
        x = (x + 1) % 1000


def 𐐨():
    return burn()


def 名前():
    return 𐐨()


def имя():
    return 名前()


class Café:
    def résumé(self):
        return имя()


Café().résumé()
