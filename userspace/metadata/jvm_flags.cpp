// SPDX-License-Identifier: Apache-2.0
#include "userspace/metadata/jvm_flags.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"

namespace waggle {

namespace {

using nlohmann::ordered_json;

// -XX:+UseG1GC, -XX:MaxRAM=5: a flag with a text for its value can hold a path or a secret.
std::optional<ordered_json> jvm_flag(std::string_view argument) {
  constexpr std::string_view kPrefix = "-XX:";
  if (!argument.starts_with(kPrefix) || argument.size() <= kPrefix.size() + 1) {
    return std::nullopt;
  }
  argument.remove_prefix(kPrefix.size());
  const auto flag = [](std::string_view name, std::string_view type, std::string_view value) {
    return ordered_json{{"name", printable(name)},
                        {"type", type},
                        {"value", value},
                        {"origin", "command line"},
                        {"kind", ordered_json::array()}};
  };
  if (argument.front() == '+' || argument.front() == '-') {
    return flag(argument.substr(1), "bool", argument.front() == '+' ? "true" : "false");
  }
  const std::size_t at = argument.find('=');
  const std::string_view value = at == std::string_view::npos ? "" : argument.substr(at + 1);
  const bool is_number = !value.empty() && value.front() >= '0' && value.front() <= '9' &&
                         value.find_first_not_of("0123456789.kKmMgGtT") == std::string_view::npos;
  return is_number ? std::optional(flag(argument.substr(0, at), "number", value)) : std::nullopt;
}

bool is_wished(const std::string& flag, const ApplicationWishes& wishes) {
  return wishes.has_jvm_flags &&
         (wishes.jvm_flags.empty() ||
          std::ranges::find(wishes.jvm_flags, flag) != wishes.jvm_flags.end());
}

}  // namespace

ordered_json jvm_flags(std::span<const std::string> arguments, const ApplicationWishes& wishes) {
  std::vector<ordered_json> flags;
  for (const std::string& argument : arguments) {
    if (auto flag = jvm_flag(argument); flag && is_wished((*flag)["name"], wishes)) {
      flags.push_back(*std::move(flag));
    }
  }
  std::ranges::sort(flags, {}, [](const ordered_json& flag) { return flag["name"].dump(); });
  return flags;
}

}  // namespace waggle
