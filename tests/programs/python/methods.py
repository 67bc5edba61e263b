# SPDX-License-Identifier: Apache-2.0
"""Methods of each kind, of a class that inherits them: before 3.11 a frame knows the class of its
first argument, since then the one that the method was written in."""
# expected:
# stack
#   <module>
#   Circle.method [-3.10]
#   Shape.method [3.11-]
#   Circle.make [-3.10]
#   Shape.make [3.11-]
#   static [-3.10]
#   Shape.static [3.11-]
#   Circle.captured
#   inner [-3.10]
#   Circle.captured.<locals>.inner [3.11-]
#   burn
# end
import sys


def burn():
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    x = 0
    while True:
        x = (x + 1) % 1000


class Shape(object):
    def method(self):
        return self.make()

    @classmethod
    def make(cls):
        return cls.static()

    @staticmethod
    def static():
        return Circle().captured()


class Circle(Shape):
    def captured(self):
        def inner():
            return burn() or self  # so self lies in a cell
        return inner()


Circle().method()
