// SPDX-License-Identifier: Apache-2.0
// A made-up runtime of Kubernetes for one test: cri_runtime.py.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/test_program.h"

namespace waggle {

// Nothing where this machine has no python3-h2.  `containers`: "ID=CONTAINER,POD,NAMESPACE,UID,0".
inline std::unique_ptr<TestProgram> start_cri_runtime(const std::string& socket,
                                                      const std::string& behaviour,
                                                      const std::vector<std::string>& containers) {
  // Debian's, which has Debian's modules.
  std::vector<std::string> words{"/usr/bin/python3", CRI_RUNTIME, socket, behaviour};
  words.insert(words.end(), containers.begin(), containers.end());
  auto runtime = std::make_unique<TestProgram>(std::move(words));
  return runtime->first_line() == "ready" ? std::move(runtime) : nullptr;
}

}  // namespace waggle
