// SPDX-License-Identifier: Apache-2.0
#include "userspace/select/container_id.h"

#include <gtest/gtest.h>

#include <string>

namespace waggle {
namespace {

const std::string kId = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

TEST(ContainerId, is_found_in_the_names_that_runtimes_give) {
  for (const std::string& cgroup : {
           "/docker/" + kId,
           "/system.slice/docker-" + kId + ".scope",
           "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1f.slice/"
           "cri-containerd-" +
               kId + ".scope",
           "/kubepods/besteffort/pod0b2c/" + kId,
           "/kubepods.slice/kubepods-pod1.slice/crio-" + kId + ".scope",
           "/machine.slice/libpod-" + kId + ".scope/container",
           "/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:" + kId,
       }) {
    EXPECT_EQ(container_id_of(cgroup), kId) << cgroup;
  }
}

TEST(ContainerId, is_the_innermost_one) {
  const std::string outer(64, 'a');
  EXPECT_EQ(container_id_of("/docker/" + outer + "/docker/" + kId), kId);
  EXPECT_EQ(container_id_of("/docker/" + outer + "/init.scope"), outer);
}

TEST(ContainerId, is_nothing_else) {
  for (const std::string& cgroup :
       {std::string(), std::string("/"), std::string("/user.slice/user-0.slice"),
        "/docker/" + kId.substr(1), "/docker/" + kId + "0",
        std::string("/docker/") + "G" + kId.substr(1), "/" + std::string(64, 'A')}) {
    EXPECT_EQ(container_id_of(cgroup), "") << cgroup;
  }
}

TEST(ContainerId, of_a_monitor_is_told_apart) {
  EXPECT_TRUE(is_container_monitor("crio-conmon-" + kId + ".scope"));
  EXPECT_TRUE(is_container_monitor("libpod-conmon-" + kId + ".scope"));
  EXPECT_FALSE(is_container_monitor("crio-" + kId + ".scope"));
}

}  // namespace
}  // namespace waggle
