// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/check_report.h"

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <algorithm>

#include "base/text.h"
#include "userspace/cli/help.h"

namespace waggle {

bool CheckReport::can_record() const {
  return std::ranges::none_of(items, [](const CheckItem& item) {
    return item.is_needed && item.status == CheckStatus::missing;
  });
}

std::string_view status_name(CheckStatus status) {
  switch (status) {
    case CheckStatus::ok:
      return "ok";
    case CheckStatus::limited:
      return "limited";
    case CheckStatus::missing:
      break;
  }
  return "missing";
}

std::string render_checks(const CheckReport& report) {
  constexpr std::size_t kWidth = 100;
  constexpr std::size_t kNameColumn = 9;
  std::size_t name_width = 0;
  for (const CheckItem& item : report.items) {
    name_width = std::max(name_width, item.item.size());
  }
  const std::size_t text_column = kNameColumn + name_width + 2;
  std::string lines;
  for (const CheckItem& item : report.items) {
    std::string text = item.detail;
    if (item.status != CheckStatus::ok) {
      text += fmt::format("; lost: {}; remedy: {}", item.lost, item.remedy);
    }
    lines += fmt::format("{:<{}}{:<{}}", status_name(item.status), kNameColumn,
                         printable(item.item), name_width + 2);
    lines += wrapped(printable(text), kWidth, text_column, text_column) + '\n';
  }
  lines += fmt::format("\nwaggle record can{} run here.\n", report.can_record() ? "" : "not");
  return lines;
}

std::string render_checks_json(const CheckReport& report) {
  nlohmann::ordered_json items = nlohmann::ordered_json::array();
  for (const CheckItem& item : report.items) {
    items.push_back({{"item", printable(item.item)},
                     {"status", status_name(item.status)},
                     {"detail", printable(item.detail)},
                     {"lost", printable(item.lost)},
                     {"remedy", printable(item.remedy)}});
  }
  const nlohmann::ordered_json all = {{"version", report.version},
                                      {"kernel", printable(report.kernel)},
                                      {"can_record", report.can_record()},
                                      {"items", std::move(items)}};
  return all.dump(2) + '\n';
}

}  // namespace waggle
