// SPDX-License-Identifier: Apache-2.0
// Any bytes as what Docker answers.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "userspace/remote/docker_containers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto container = waggle::parse_docker_container(text)) {
    CHECK(waggle::is_container_name(container->name));
    CHECK(waggle::is_container_name(container->id));
  }
  return 0;
}
