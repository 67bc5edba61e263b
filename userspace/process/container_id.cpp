// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/container_id.h"

#include <algorithm>
#include <array>

namespace waggle {

namespace {

constexpr std::size_t kIdDigits = 64;

// Runtimes write small letters.
bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

bool is_decimal(char c) {
  return c >= '0' && c <= '9';
}

// The last run of exactly 64 digits.
std::string_view find_long_id(std::string_view name) {
  std::size_t end = name.size();
  while (end > 0) {
    std::size_t start = end;
    while (start > 0 && is_hex(name[start - 1])) {
      --start;
    }
    if (end - start == kIdDigits) {
      return name.substr(start, kIdDigits);
    }
    end = start == end ? end - 1 : start;
  }
  return {};
}

bool is_fargate_id(std::string_view name) {
  constexpr std::size_t kTaskDigits = 32;
  constexpr std::size_t kMaxNumberDigits = 20;
  return name.size() > kTaskDigits + 1 && name.size() <= kTaskDigits + 1 + kMaxNumberDigits &&
         name[kTaskDigits] == '-' && std::ranges::all_of(name.substr(0, kTaskDigits), is_hex) &&
         std::ranges::all_of(name.substr(kTaskDigits + 1), is_decimal);
}

// Garden cuts the last group to four digits.
bool is_uuid(std::string_view name) {
  constexpr auto kHyphens = std::to_array<std::size_t>({8, 13, 18, 23});
  constexpr std::size_t kBytes = 36;
  constexpr std::size_t kCutBytes = 28;
  if (name.size() != kBytes && name.size() != kCutBytes) {
    return false;
  }
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool is_hyphen = std::ranges::find(kHyphens, i) != kHyphens.end();
    if (is_hyphen ? name[i] != '-' : !is_hex(name[i])) {
      return false;
    }
  }
  return true;
}

bool is_monitor(std::string_view name) {
  return name.find("conmon-") != std::string_view::npos;
}

bool is_pod(std::string_view name) {
  return name.find("libpod_pod_") != std::string_view::npos;
}

}  // namespace

std::string_view container_id_of(std::string_view cgroup) {
  while (!cgroup.empty()) {
    const std::size_t slash = cgroup.rfind('/');
    const std::string_view name = cgroup.substr(slash + 1);  // npos + 1 is 0
    const std::string_view id = find_long_id(name);
    if (!id.empty() && is_monitor(name)) {
      return {};
    }
    if (!id.empty() && !is_pod(name)) {
      return id;
    }
    if (is_fargate_id(name) || is_uuid(name)) {
      return name;
    }
    cgroup = cgroup.substr(0, slash == std::string_view::npos ? 0 : slash);
  }
  return {};
}

std::string_view container_id_of(std::span<const ProcessCgroup> cgroups) {
  for (const ProcessCgroup& cgroup : cgroups) {
    if (const std::string_view id = container_id_of(cgroup.path); !id.empty()) {
      return id;
    }
  }
  return {};
}

}  // namespace waggle
