// SPDX-License-Identifier: Apache-2.0
#include "userspace/output/columns.h"

namespace waggle {

std::string in_columns(std::string_view text, std::size_t columns) {
  const auto is_lead = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; };
  if (columns == 0) {
    return "";
  }
  std::size_t points = 0;
  std::size_t cut = text.size();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_lead(text[i]) && ++points == columns) {
      cut = i;
    }
  }
  return points <= columns ? std::string(text) : std::string(text.substr(0, cut)) + "…";
}

}  // namespace waggle
