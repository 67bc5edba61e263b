// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/place_text.h"

#include <fmt/core.h>

#include <optional>

namespace waggle {

std::string nameless_text(std::string_view place, std::uint64_t address) {
  return fmt::format("({}+0x{:x})", place, address);
}

std::string place_text(const Module& module, std::string_view place, std::uint64_t offset,
                       std::string_view shown) {
  const std::optional<std::uint64_t> address = module.address_of_offset(offset);
  const auto name = address ? module.find_name(*address) : std::nullopt;
  if (!name) {
    return nameless_text(place, address.value_or(offset));
  }
  return shown.empty() ? std::string(*name) : fmt::format("{} ({})", *name, shown);
}

}  // namespace waggle
