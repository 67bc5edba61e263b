# SPDX-License-Identifier: Apache-2.0
"""A task of asyncio whose innermost coroutine is busy, with `yield from` below it."""
# expected:
# versions 3.6-
# stack
#   <module>
#   _UnixSelectorEventLoop.run_until_complete [3.6-3.10]
#   BaseEventLoop.run_until_complete [3.11-]
#   _UnixSelectorEventLoop.run_forever [3.6-3.10]
#   BaseEventLoop.run_forever [3.11-]
#   _UnixSelectorEventLoop._run_once [3.6-3.10]
#   BaseEventLoop._run_once [3.11-]
#   Handle._run
#   serve
#   Answer.__await__
#   delegate
#   burn
# end
import asyncio
import sys


def burn():
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    x = 0
    while True:
        x = (x + 1) % 1000
    yield x


def delegate():
    yield from burn()


class Answer:
    def __await__(self):
        yield from delegate()


async def serve():
    await asyncio.sleep(0)  # so that it is resumed once
    await Answer()


loop = asyncio.new_event_loop()
loop.run_until_complete(serve())
