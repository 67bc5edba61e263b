#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A made-up runtime of Kubernetes: ListContainers over gRPC at a unix socket, for what a test asks
of it.  HTTP/2 is Debian's python3-h2.  A real one is in containerd_pod.py.

    cri_runtime.py SOCKET BEHAVIOUR ID=CONTAINER,POD,NAMESPACE,UID,ATTEMPT...

Prints "ready", then a line for each answer it has given: the id that was asked for, or "all".
Where python3-h2 is missing it prints "skip" and the reason.
"""
import socket
import struct
import sys
import threading
import time

from cri_messages import fields, listed_container

try:
    import h2.config
    import h2.connection
    import h2.events
    import h2.exceptions
except ImportError:
    sys.exit(print("skip python3-h2 is not installed"))

SOCKET, BEHAVIOUR = sys.argv[1:3]
CONTAINERS = dict(entry.split("=") for entry in sys.argv[3:])

OK = [("grpc-status", "0")]
GRPC = [(":status", "200"), ("content-type", "application/grpc")]
UNIMPLEMENTED = [*GRPC, ("grpc-status", "12"), ("grpc-message", "unknown service")]


def listed(container_id):
    name, *pod, attempt = CONTAINERS[container_id].split(",")
    if BEHAVIOUR == "forged":
        name = "a;b\n\x1b[2J"
    return listed_container(container_id, name, pod, int(attempt))


def framed(message, flag=0):
    return struct.pack(">BI", flag, len(message)) + message


class Connection:
    def __init__(self, client):
        self.client = client
        self.http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self.method = ""
        self.request = b""

    def flush(self):
        self.client.sendall(self.http.data_to_send())

    def serve(self):
        self.http.initiate_connection()
        self.flush()
        while received := self.client.recv(65536):
            for event in self.http.receive_data(received):
                if isinstance(event, h2.events.RequestReceived):
                    self.method = dict(event.headers)[b":path"].decode()
                elif isinstance(event, h2.events.DataReceived):
                    self.request += event.data
                elif isinstance(event, h2.events.StreamEnded):
                    self.answer(event.stream_id)
            self.flush()

    def send(self, stream, data):
        rest = memoryview(data)  # without a copy of what is huge
        while rest:
            room = min(self.http.local_flow_control_window(stream), 16384)
            if room == 0:
                self.http.receive_data(self.client.recv(65536))
                continue
            self.http.send_data(stream, bytes(rest[:room]))
            rest = rest[room:]
            self.flush()

    def answer(self, stream):
        asked = fields(fields(self.request[5:]).get(1, b"")).get(1, b"").decode()
        known = [listed(one) for one in CONTAINERS if asked in ("", one)]
        is_served = self.method == f"/runtime.{version()}.RuntimeService/ListContainers"
        if BEHAVIOUR == "hang":
            time.sleep(60)
        elif not is_served:
            self.http.send_headers(stream, UNIMPLEMENTED, end_stream=True)
        elif BEHAVIOUR in MISBEHAVIOURS:
            MISBEHAVIOURS[BEHAVIOUR](self, stream, b"".join(known))
        else:
            self.http.send_headers(stream, GRPC)
            self.send(stream, framed(b"".join(known)))
            self.http.send_headers(stream, OK, end_stream=True)
        self.flush()
        if is_served:
            print(asked or "all", flush=True)


def version():
    return {"old": "v1alpha2", "without": "none"}.get(BEHAVIOUR, "v1")


def answer_with(body_of):
    def misbehave(connection, stream, known):
        connection.http.send_headers(stream, GRPC)
        connection.send(stream, body_of(known))
        connection.http.send_headers(stream, OK, end_stream=True)

    return misbehave


def in_pieces(connection, stream, known):
    connection.http.send_headers(stream, GRPC)
    for byte in framed(known):
        connection.http.send_data(stream, bytes([byte]))
    connection.http.send_headers(stream, OK, end_stream=True)


def slowly(connection, stream, _):
    connection.http.send_headers(stream, GRPC)
    for _ in range(600):
        connection.send(stream, b"\0")
        time.sleep(0.1)


def without_end(connection, stream, _):
    connection.http.send_headers(stream, GRPC)
    connection.send(stream, framed(b"\0" * (64 << 20)))


def without_status(connection, stream, known):
    connection.http.send_headers(stream, GRPC)
    connection.send(stream, framed(known))
    connection.http.end_stream(stream)


def refuse(connection, stream, _):
    reason = ("grpc-message", "out of order")
    connection.http.send_headers(stream, [*GRPC, ("grpc-status", "13"), reason], end_stream=True)


def many_headers(connection, stream, _):
    many = [(f"x-{number}", "a" * 1000) for number in range(20_000)]
    connection.http.send_headers(stream, [*GRPC, *many], end_stream=True)


MISBEHAVIOURS = {
    "pieces": in_pieces,
    "slow": slowly,
    "huge": without_end,
    "garbage": answer_with(lambda _: framed(bytes(range(256)) * 8)),
    "compressed": answer_with(lambda known: framed(known, flag=1)),
    "short": answer_with(lambda known: framed(known)[:-1]),
    "two": answer_with(lambda known: framed(known) * 2),
    "no_message": answer_with(lambda _: b""),
    "no_status": without_status,
    "refusal": refuse,
    "headers": many_headers,
    "unavailable": lambda connection, stream, _: connection.http.send_headers(
        stream, [(":status", "503")], end_stream=True
    ),
    "reset": lambda connection, stream, _: connection.http.reset_stream(stream),
    "other": answer_with(lambda _: framed(b"".join(map(listed, CONTAINERS)))),
}


def serve(client):
    with client:
        try:
            if BEHAVIOUR != "close":
                Connection(client).serve()
        except (OSError, h2.exceptions.H2Error):
            pass  # the client went away, as it should


listener = socket.socket(socket.AF_UNIX)
listener.bind(SOCKET)
listener.listen()
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
