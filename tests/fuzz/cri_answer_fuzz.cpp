// SPDX-License-Identifier: Apache-2.0
// Any bytes as the body of what a runtime of Kubernetes answers, and as the message in it.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "userspace/remote/cri_containers.h"
#include "userspace/remote/grpc.h"

namespace {

void read_list(std::string_view message) {
  const auto containers = waggle::parse_cri_containers(message);
  if (!containers) {
    CHECK(!containers.error().what.empty());
    return;
  }
  for (const waggle::CriContainer& container : *containers) {
    if (container.name.empty()) {
      CHECK(container.name_in_pod.empty());
      continue;
    }
    CHECK(waggle::is_container_name(container.name));
    CHECK(waggle::is_container_name(container.id));
    const auto found = waggle::find_cri_container(*containers, container.name);
    CHECK(found && *found && (*found)->name == container.name);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string body(reinterpret_cast<const char*>(data), size);
  read_list(body);
  if (const auto message = waggle::read_grpc_answer(
          {.status = 200, .body = body, .headers = {{"grpc-status", "0"}}})) {
    read_list(*message);
  }
  return 0;
}
