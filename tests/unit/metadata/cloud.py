#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A made-up cloud's metadata service on the loopback: cloud.py PROVIDER, or "hang".  Prints its
port."""
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PROVIDER = sys.argv[1]
ANSWERS = {
    ("aws", "PUT", "/latest/api/token"): "secret",
    ("aws", "GET", "/latest/dynamic/instance-identity/document"): json.dumps(
        {"instanceId": "i-1", "region": "r", "availabilityZone": "ra", "instanceType": "m5",
         "accountId": "12", "imageId": "ami-1"}),
    ("aws", "GET", "/latest/meta-data/instance-life-cycle"): "spot",
    ("gcp", "GET", "/computeMetadata/v1/instance/?recursive=true"): json.dumps(
        {"id": 7, "name": "n", "machineType": "projects/1/machineTypes/e2", "image": "im",
         "zone": "projects/1/zones/z", "preempted": "FALSE",
         "scheduling": {"preemptible": "TRUE"}}),
    ("azure", "GET", "/metadata/instance/compute/?api-version=2019-08-15"): json.dumps(
        {"vmId": "v", "vmSize": "D2", "location": "l", "name": "n"}),
}
NEEDED = {"gcp": ("Metadata-Flavor", "Google"), "azure": ("Metadata", "true")}


class Handler(BaseHTTPRequestHandler):
    def answer(self):
        if PROVIDER == "hang":
            time.sleep(60)
        body = ANSWERS.get((PROVIDER, self.command, self.path))
        header, value = NEEDED.get(PROVIDER, ("X-aws-ec2-metadata-token", "secret"))
        is_allowed = self.command == "PUT" or self.headers.get(header) == value
        self.send_response(200 if body and is_allowed else 404)
        self.end_headers()
        self.wfile.write((body if body and is_allowed else "").encode())

    do_GET = do_PUT = answer  # noqa: N815 (the library's names)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
