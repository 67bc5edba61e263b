// SPDX-License-Identifier: Apache-2.0
// A named deleter for objects of C libraries: std::unique_ptr<bpf_link,
// Deleter<bpf_link__destroy>>.
#pragma once

namespace waggle {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};

}  // namespace waggle
