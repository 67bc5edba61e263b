// SPDX-License-Identifier: Apache-2.0
// How much work it is to print a demangled C++ name.  libiberty's tree shares subtrees (that is
// what substitutions are) and its printer walks them again at each use, so the work can be
// exponential in the size of the tree, and not only in what is printed.
#pragma once

#include <cstdint>

struct demangle_component;

namespace waggle {

// An upper bound of the nodes that the printer visits; saturates at UINT64_MAX.
std::uint64_t printing_cost(const demangle_component* tree);

}  // namespace waggle
