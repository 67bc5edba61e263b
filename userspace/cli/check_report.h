// SPDX-License-Identifier: Apache-2.0
// What `waggle doctor` found, as text and as JSON.  Not for finding it: see host_checks.h.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace waggle {

enum class CheckStatus { ok, limited, missing };

struct CheckItem {
  CheckStatus status;
  std::string item;        // "CAP_BPF"
  std::string detail;      // what was seen
  std::string lost;        // what does not work; "" when ok
  std::string remedy;      // one thing to do; "" when ok
  bool is_needed = false;  // `record` cannot run when it is missing
};

struct CheckReport {
  std::string version;  // of waggle
  std::string kernel;
  std::span<const CheckItem> items;

  [[nodiscard]] bool can_record() const;
};

std::string_view status_name(CheckStatus status);  // "ok", "limited", "missing"

// One line per item, aligned, continued below its own column past 100 bytes.  Control characters
// are shown as '?'.
std::string render_checks(const CheckReport& report);

// {"version", "kernel", "can_record", "items": [{item, status, detail, lost, remedy}]} and a
// newline.
std::string render_checks_json(const CheckReport& report);

}  // namespace waggle
