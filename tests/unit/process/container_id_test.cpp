// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/container_id.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace waggle {
namespace {

const std::string kId = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const std::string kOuter(64, 'a');
const std::string kPodUid = "5f1d3a8e-0c5b-4b54-9d0e-3f0a2b6c7d8e";
const std::string kPodUidOfSlice = "5f1d3a8e_0c5b_4b54_9d0e_3f0a2b6c7d8e";

std::string joined(std::initializer_list<std::string> parts) {
  std::string text;
  for (const std::string& part : parts) {
    text += part;
  }
  return text;
}

struct Case {
  std::string what;
  std::string path;
  std::string id;
};

// As /proc/PID/cgroup shows them on such hosts.
const std::vector<Case> kCases = {
    {"Docker, cgroupfs", "/docker/" + kId, kId},
    {"Docker, systemd", joined({"/system.slice/docker-", kId, ".scope"}), kId},
    {"Docker, systemd inside the container",
     joined({"/docker/", kId, "/system.slice/cron.service"}), kId},
    {"Docker, removed", joined({"/docker/", kId, " (deleted)"}), kId},
    {"Docker in Docker", joined({"/docker/", kOuter, "/docker/", kId}), kId},
    {"Docker, its own parent", "/ci-runners/job-7/" + kId, kId},
    {"Docker, seen from a sibling's cgroup namespace", "/../" + kId, kId},
    {"containerd by nerdctl", joined({"/system.slice/nerdctl-", kId, ".scope"}), kId},
    {"containerd, namespace default", "/default/" + kId, kId},
    {"Kubernetes, cgroupfs, guaranteed", joined({"/kubepods/pod", kPodUid, "/", kId}), kId},
    {"Kubernetes, cgroupfs, besteffort", joined({"/kubepods/besteffort/pod", kPodUid, "/", kId}),
     kId},
    {"Kubernetes, systemd, containerd",
     joined({"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod", kPodUidOfSlice,
             ".slice/cri-containerd-", kId, ".scope"}),
     kId},
    {"Kubernetes, systemd, containerd without delegation",
     joined({"/system.slice/containerd.service/kubepods-burstable-pod", kPodUidOfSlice,
             ".slice:cri-containerd:", kId}),
     kId},
    {"Kubernetes, systemd, Docker",
     joined({"/kubepods.slice/kubepods-pod", kPodUidOfSlice, ".slice/docker-", kId, ".scope"}),
     kId},
    {"Kubernetes, systemd, CRI-O",
     joined({"/kubepods.slice/kubepods-pod", kPodUidOfSlice, ".slice/crio-", kId, ".scope"}), kId},
    {"OpenShift, CRI-O with a cgroup below",
     joined(
         {"/kubepods.slice/kubepods-pod", kPodUidOfSlice, ".slice/crio-", kId, ".scope/container"}),
     kId},
    {"CRI-O, cgroupfs", joined({"/kubepods/pod", kPodUid, "/crio-", kId}), kId},
    {"kind: a node that is a container",
     joined({"/docker/", kOuter, "/kubelet/kubepods/besteffort/pod", kPodUid, "/", kId}), kId},
    {"kind: kubelet of such a node", joined({"/docker/", kOuter, "/kubelet.slice/kubelet.service"}),
     kOuter},
    {"k3s", joined({"/system.slice/k3s.service/kubepods/burstable/pod", kPodUid, "/", kId}), kId},
    {"minikube and others with a slice of their own",
     joined({"/kubelet/kubepods/pod", kPodUid, "/", kId}), kId},
    {"Podman, systemd, root", joined({"/machine.slice/libpod-", kId, ".scope/container"}), kId},
    {"Podman, systemd, a user's",
     joined({"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-", kId,
             ".scope/container"}),
     kId},
    {"Podman, cgroupfs", "/libpod_parent/libpod-" + kId, kId},
    {"Podman, in a unit of systemd", "/system.slice/web.service/libpod-payload-" + kId, kId},
    {"Podman, in a pod",
     joined({"/machine.slice/machine-libpod_pod_", kOuter, ".slice/libpod-", kId, ".scope"}), kId},
    {"ECS on EC2", "/ecs/7b9a7a3c-5fd3-4c0c-8b61-2d1f5b1ff4e5/" + kId, kId},
    {"ECS on Fargate",
     "/ecs/2b3f5d4c6e7f8091a2b3c4d5e6f70819/2b3f5d4c6e7f8091a2b3c4d5e6f70819-3054012820",
     "2b3f5d4c6e7f8091a2b3c4d5e6f70819-3054012820"},
    {"Garden", "/system.slice/garden.service/garden/6f265890-5165-7fab-6b52-18d1",
     "6f265890-5165-7fab-6b52-18d1"},
    {"Mesos", "/mesos/05c7a8f2-7a1f-4d4c-8d0b-8b0f5a1c2d3e",
     "05c7a8f2-7a1f-4d4c-8d0b-8b0f5a1c2d3e"},

    {"the root", "/", ""},
    {"outside of our cgroup namespace, its root", "/..", ""},
    {"nothing", "", ""},
    {"a login", "/user.slice/user-1000.slice/session-3.scope", ""},
    {"a service", "/system.slice/docker.service", ""},
    {"a pod, cgroupfs", "/kubepods/besteffort/pod" + kPodUid, ""},
    {"a pod, systemd", joined({"/kubepods.slice/kubepods-pod", kPodUidOfSlice, ".slice"}), ""},
    {"a pod of Podman", joined({"/machine.slice/machine-libpod_pod_", kOuter, ".slice"}), ""},
    {"a monitor of CRI-O", joined({"/system.slice/crio-conmon-", kId, ".scope"}), ""},
    {"a monitor of Podman", joined({"/machine.slice/libpod-conmon-", kId, ".scope"}), ""},
    {"a monitor inside another container",
     joined({"/docker/", kOuter, "/libpod_parent/libpod-conmon-", kId}), ""},
    {"too few digits", "/docker/" + kId.substr(1), ""},
    {"too many digits", joined({"/docker/", kId, "0"}), ""},
    {"another letter", joined({"/docker/G", kId.substr(1)}), ""},
    {"capitals", "/" + std::string(64, 'A'), ""},
    {"a UUID inside a name", "/system.slice/run-" + kPodUid + ".scope", ""},
    {"hyphens elsewhere", "/mesos/05c7a8f27-a1f-4d4c-8d0b-8b0f5a1c2d3e", ""},
    {"a task without a number", "/ecs/2b3f5d4c6e7f8091a2b3c4d5e6f70819", ""},
};

TEST(ContainerId, is_what_each_runtime_writes_into_the_path) {
  for (const Case& known : kCases) {
    EXPECT_EQ(container_id_of(known.path), known.id) << known.what << ": " << known.path;
  }
}

TEST(ContainerId, is_found_in_the_name_alone) {
  EXPECT_EQ(container_id_of("docker-" + kId + ".scope"), kId);
  EXPECT_EQ(container_id_of(kId), kId);
}

TEST(ContainerId, of_a_process_is_what_any_hierarchy_says) {
  const std::string v1 = "12:pids:/\n4:memory:/docker/" + kId + "\n1:name=systemd:/docker/" + kId +
                         "\n0::/system.slice/containerd.service\n";
  EXPECT_EQ(container_id_of(parse_process_cgroups(v1)), kId);
  const std::string v2 = "0::/system.slice/docker-" + kId + ".scope\n";
  EXPECT_EQ(container_id_of(parse_process_cgroups(v2)), kId);
  EXPECT_EQ(container_id_of(parse_process_cgroups("2:cpu:/\n0::/init.scope\n")), "");
}

}  // namespace
}  // namespace waggle
