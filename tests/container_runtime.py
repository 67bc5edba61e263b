#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A made-up container runtime: Docker's API over a unix socket, for what a test asks of it.

    container_runtime.py SOCKET BEHAVIOUR ID=NAME...

Prints "ready", then a line for each container that it is asked for.  BEHAVIOUR "wake" hangs where
there is no SOCKET.awake.
"""
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingMixIn, UnixStreamServer

SOCKET, BEHAVIOUR = sys.argv[1:3]
NAMES = dict(entry.split("=") for entry in sys.argv[3:])


def find(asked):
    for number, name in NAMES.items():
        if number.startswith(asked) or name == asked:
            return number, name
    return None


class Handler(BaseHTTPRequestHandler):
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):  # noqa: N802 (the library's name)
        _, folder, asked, what = self.path.split("/")
        print("asked", asked, flush=True)
        known = find(asked) if (folder, what) == ("containers", "json") else None
        if BEHAVIOUR == "hang" or (BEHAVIOUR == "wake" and not os.path.exists(SOCKET + ".awake")):
            time.sleep(60)
        elif BEHAVIOUR == "slow":
            self.send_response(200)
            self.end_headers()
            for _ in range(600):
                self.wfile.write(b" ")
                time.sleep(0.1)
        elif BEHAVIOUR == "huge":
            self.answer(200, b"[" * (64 << 20))
        elif BEHAVIOUR == "nested":
            self.answer(200, b"[" * 1_000_000)
        elif BEHAVIOUR == "garbage":
            self.wfile.write(bytes(range(256)) * 8)
        elif BEHAVIOUR == "forged":
            self.answer(200, json.dumps({"Id": asked, "Name": "/a;b\n\x1b[2J"}).encode())
        elif BEHAVIOUR == "error":
            self.answer(500, b"{}")
        elif BEHAVIOUR == "close":
            self.connection.close()
        elif known is None or BEHAVIOUR == "none":
            self.answer(404, b'{"message":"No such container"}')
        else:
            self.answer(200, json.dumps({"Id": known[0], "Name": "/" + known[1]}).encode())

    def log_message(self, *_):
        pass

    def address_string(self):
        return "unix"


class Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # the client went away, as it should


server = Server(SOCKET, Handler)
print("ready", flush=True)
server.serve_forever()
