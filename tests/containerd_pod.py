#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A containerd of its own, in a directory of its own, with one pod in it, made as Kubernetes makes
it: a container that computes.  Nothing is fetched: its image is a busybox.

    containerd_pod.py DIRECTORY CONTAINER POD NAMESPACE UID ATTEMPT

Prints "ready", the container's id and its process' id.  At SIGTERM, or when its parent ends, it
removes all that, and prints "gone".  Where that cannot be tried it prints "skip" and the reason.
"""
import ctypes
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

from cri_messages import POD_LABELS, field, fields, labels, metadata

DIRECTORY, CONTAINER, POD, NAMESPACE, UID, ATTEMPT = sys.argv[1:]
SOCKET = f"{DIRECTORY}/containerd.sock"
IMAGE = "waggle.test/busybox:1"
CGROUP = f"kubepods/besteffort/pod{UID}"
PROGRAM = ["/bin/busybox", "sh", "-c", "while :; do :; done"]
BUSYBOX = shutil.which("busybox")
NAMESPACE_OF_NODE = 2
PATIENCE_SECONDS = 60

CONFIGURATION = f"""
version = 2
root = "{DIRECTORY}/root"
state = "{DIRECTORY}/state"
[grpc]
  address = "{SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{IMAGE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    conf_dir = "{DIRECTORY}/cni"
    bin_dir = "{DIRECTORY}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
[plugins."io.containerd.internal.v1.opt"]
  path = "{DIRECTORY}/opt"
"""


def skip(reason):
    print("skip", reason, flush=True)
    sys.exit(0)


def add_file(archive, name, content):
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def write_image(path):
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        archive.add(os.path.realpath(BUSYBOX), "bin/busybox")
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    configuration = {
        "architecture": "amd64" if os.uname().machine == "x86_64" else "arm64",
        "os": "linux",
        "config": {"Entrypoint": PROGRAM},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]
    with tarfile.open(path, "w") as archive:
        add_file(archive, "manifest.json", json.dumps(manifest).encode())
        add_file(archive, "config.json", json.dumps(configuration).encode())
        add_file(archive, "layer.tar", layer.getvalue())


def import_image():
    path = f"{DIRECTORY}/image.tar"
    write_image(path)
    command = ["ctr", "-a", SOCKET, "-n", "k8s.io", "images", "import", "--snapshotter", "native"]
    subprocess.run([*command, path], check=True, stdout=subprocess.DEVNULL)


class Runtime:
    def __init__(self):
        Path(f"{DIRECTORY}/config.toml").write_text(CONFIGURATION, encoding="utf-8")
        with open(f"{DIRECTORY}/containerd.log", "wb") as log:
            command = ["containerd", "--config", f"{DIRECTORY}/config.toml"]
            self.daemon = subprocess.Popen(command, stdout=log, stderr=log)
        self.channel = grpc.insecure_channel(f"unix://{SOCKET}")
        self.pod = None

    def call(self, method, request):
        """The first text of the answer."""
        function = self.channel.unary_unary(f"/runtime.v1.RuntimeService/{method}")
        return fields(function(request, timeout=PATIENCE_SECONDS)).get(1, b"").decode()

    def start(self):
        """The id of a container that runs."""
        grpc.channel_ready_future(self.channel).result(PATIENCE_SECONDS)
        import_image()
        network = field(1, field(1, NAMESPACE_OF_NODE))
        pod = (
            field(1, field(1, POD) + field(2, UID) + field(3, NAMESPACE))
            + field(3, DIRECTORY)
            + field(8, field(1, "/" + CGROUP) + field(2, network))
        )
        self.pod = self.call("RunPodSandbox", field(1, pod))
        named = dict(zip(POD_LABELS, (POD, NAMESPACE, UID)))
        container = (
            field(1, metadata(CONTAINER, int(ATTEMPT)))
            + field(2, field(1, IMAGE))
            + labels(9, {**named, "io.kubernetes.container.name": CONTAINER})
        )
        request = field(1, self.pod) + field(2, container) + field(3, pod)
        container_id = self.call("CreateContainer", request)
        self.call("StartContainer", field(1, container_id))
        return container_id

    def end(self):
        if self.pod:
            self.call("StopPodSandbox", field(1, self.pod))
            self.call("RemovePodSandbox", field(1, self.pod))
        self.channel.close()
        self.daemon.terminate()
        try:
            while True:  # shims too: they are ours since their parent ended
                os.wait()
        except ChildProcessError:
            pass


def process_of(container_id):
    for procs in Path("/sys/fs/cgroup").glob(f"*/{CGROUP}/{container_id}/cgroup.procs"):
        return procs.read_text(encoding="ascii").split()[0]
    path = Path(f"/sys/fs/cgroup/{CGROUP}/{container_id}/cgroup.procs")
    return path.read_text(encoding="ascii").split()[0]


def remove_cgroups():
    roots = [Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir()]
    for cgroup in (CGROUP, "kubepods/besteffort", "kubepods"):
        for root in roots:
            try:
                (root / cgroup).rmdir()
            except OSError:
                pass  # not there, or somebody else's too


def tie_to_parent():
    set_parent_death_signal, set_child_subreaper = 1, 36
    libc = ctypes.CDLL(None)
    libc.prctl(set_parent_death_signal, signal.SIGTERM)
    libc.prctl(set_child_subreaper, 1)


def end(_signal, _frame):
    raise SystemExit(0)


for tool in ("containerd", "ctr", "runc", "busybox"):
    if shutil.which(tool) is None:
        skip(f"{tool} is not installed")
try:
    import grpc
except ImportError:
    skip("python3-grpcio is not installed")
if os.geteuid() != 0:
    skip("containers need root")

tie_to_parent()
signal.signal(signal.SIGTERM, end)
runtime = Runtime()
try:
    started = runtime.start()
    print("ready", started, process_of(started), flush=True)
    signal.pause()
finally:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    runtime.end()
    remove_cgroups()
    print("gone", flush=True)
