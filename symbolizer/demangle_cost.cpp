// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/demangle_cost.h"

#include <libiberty/demangle.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <unordered_map>
#include <vector>

namespace waggle {

namespace {

constexpr std::uint64_t kTooMuch = std::numeric_limits<std::uint64_t>::max();

std::uint64_t add(std::uint64_t a, std::uint64_t b) {
  std::uint64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? kTooMuch : sum;
}

std::uint64_t multiply(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? kTooMuch : product;
}

struct Children {
  const demangle_component* left = nullptr;
  const demangle_component* right = nullptr;
};

// By the union members that demangle.h tells for each type.
Children children_of(const demangle_component& node) {
  switch (node.type) {
    case DEMANGLE_COMPONENT_NAME:
    case DEMANGLE_COMPONENT_TEMPLATE_PARAM:
    case DEMANGLE_COMPONENT_FUNCTION_PARAM:
    case DEMANGLE_COMPONENT_SUB_STD:
    case DEMANGLE_COMPONENT_BUILTIN_TYPE:
    case DEMANGLE_COMPONENT_EXTENDED_BUILTIN_TYPE:
    case DEMANGLE_COMPONENT_OPERATOR:
    case DEMANGLE_COMPONENT_CHARACTER:
    case DEMANGLE_COMPONENT_NUMBER:
      return {};
    case DEMANGLE_COMPONENT_CTOR:
      return {node.u.s_ctor.name};
    case DEMANGLE_COMPONENT_DTOR:
      return {node.u.s_dtor.name};
    case DEMANGLE_COMPONENT_EXTENDED_OPERATOR:
      return {node.u.s_extended_operator.name};
    case DEMANGLE_COMPONENT_FIXED_TYPE:
      return {node.u.s_fixed.length};
    case DEMANGLE_COMPONENT_LAMBDA:
    case DEMANGLE_COMPONENT_DEFAULT_ARG:
    case DEMANGLE_COMPONENT_UNNAMED_TYPE:
      return {node.u.s_unary_num.sub};
    default:
      return {node.u.s_binary.left, node.u.s_binary.right};
  }
}

bool is_member_qualifier(demangle_component_type type) {
  return (type >= DEMANGLE_COMPONENT_RESTRICT_THIS &&
          type <= DEMANGLE_COMPONENT_RVALUE_REFERENCE_THIS) ||
         type == DEMANGLE_COMPONENT_TRANSACTION_SAFE || type == DEMANGLE_COMPONENT_NOEXCEPT ||
         type == DEMANGLE_COMPONENT_THROW_SPEC;
}

// The template whose arguments the parameters in the type of `typed_name` stand for, or nullptr.
const demangle_component* find_own_template(const demangle_component& typed_name) {
  const demangle_component* name = typed_name.u.s_binary.left;
  while (name != nullptr) {
    if (name->type == DEMANGLE_COMPONENT_TEMPLATE) {
      return name;
    }
    if (name->type == DEMANGLE_COMPONENT_LOCAL_NAME) {
      name = name->u.s_binary.right;
    } else if (name->type == DEMANGLE_COMPONENT_DEFAULT_ARG) {
      name = name->u.s_unary_num.sub;
    } else if (is_member_qualifier(name->type)) {
      name = name->u.s_binary.left;
    } else {
      return nullptr;
    }
  }
  return nullptr;
}

// Of one node with all below it, each use of a shared subtree counted.
struct Cost {
  std::uint64_t visits = 0;
  std::uint64_t params = 0;       // those of the visits that look up a template parameter
  std::uint64_t list_length = 0;  // of an argument list
  bool is_known = false;          // false while its children are walked: a cycle
};

class Estimate {
 public:
  // False when the tree has a cycle.
  bool walk(const demangle_component* node);
  [[nodiscard]] std::uint64_t total(const demangle_component* tree);

 private:
  void set_cost(const demangle_component& node);

  std::unordered_map<const demangle_component*, Cost> costs_;
  std::vector<const demangle_component*> nodes_;  // children before parents
  std::uint64_t longest_list_ = 1;                // no pack is longer
  bool has_conversion_ = false;
};

bool Estimate::walk(const demangle_component* node) {
  if (node == nullptr) {
    return true;
  }
  const auto [at, is_new] = costs_.try_emplace(node);
  if (!is_new) {
    return at->second.is_known;
  }
  const Children children = children_of(*node);
  if (!walk(children.left) || !walk(children.right)) {
    return false;
  }
  Cost& cost = costs_[node];
  cost.is_known = true;
  if (node->type == DEMANGLE_COMPONENT_TEMPLATE_ARGLIST) {
    const auto rest = costs_.find(children.right);
    cost.list_length = 1 + (rest == costs_.end() ? 0 : rest->second.list_length);
    longest_list_ = std::max(longest_list_, cost.list_length);
  }
  has_conversion_ = has_conversion_ || node->type == DEMANGLE_COMPONENT_CONVERSION;
  nodes_.push_back(node);
  return true;
}

void Estimate::set_cost(const demangle_component& node) {
  const Children children = children_of(node);
  Cost& cost = costs_[&node];
  cost.visits = 1;
  for (const demangle_component* child : {children.left, children.right}) {
    if (child != nullptr) {
      cost.visits = add(cost.visits, costs_[child].visits);
      cost.params = add(cost.params, costs_[child].params);
    }
  }
  if (node.type == DEMANGLE_COMPONENT_TEMPLATE_PARAM) {
    cost.params = 1;
  } else if (node.type == DEMANGLE_COMPONENT_LAMBDA) {
    cost.params = 0;  // printed as "auto:1"
  } else if (node.type == DEMANGLE_COMPONENT_PACK_EXPANSION) {
    cost.visits = multiply(cost.visits, longest_list_ + 1);  // the search for the pack, the pack
    cost.params = multiply(cost.params, longest_list_);
  }
}

// A parameter stands for an argument of an enclosing template.  Arguments that hold parameters
// themselves stand for those of the next template outwards, so each template may multiply.
std::uint64_t Estimate::total(const demangle_component* tree) {
  Cost arguments;  // the costliest
  std::size_t template_count = 0;
  for (const demangle_component* node : nodes_) {
    set_cost(*node);
    const demangle_component* own = nullptr;
    if (node->type == DEMANGLE_COMPONENT_TYPED_NAME) {
      own = find_own_template(*node);
    } else if (node->type == DEMANGLE_COMPONENT_TEMPLATE && has_conversion_) {
      own = node;  // operator T() looks T up in any template around it
    }
    if (own != nullptr && own->u.s_binary.right != nullptr) {
      const Cost& cost = costs_[own->u.s_binary.right];
      arguments.visits = std::max(arguments.visits, cost.visits);
      arguments.params = std::max(arguments.params, cost.params);
      ++template_count;
    }
  }
  const Cost& whole = costs_[tree];
  std::uint64_t per_param = 0;
  for (std::size_t i = 0; i < template_count && per_param != kTooMuch; ++i) {
    const std::uint64_t deeper = add(arguments.visits, multiply(arguments.params, per_param));
    if (deeper == per_param) {
      break;
    }
    per_param = deeper;
  }
  return add(whole.visits, multiply(whole.params, per_param));
}

}  // namespace

std::uint64_t printing_cost(const demangle_component* tree) {
  Estimate estimate;
  return tree != nullptr && estimate.walk(tree) ? estimate.total(tree) : kTooMuch;
}

}  // namespace waggle
