// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/async_profiler/java_version.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

#include "base/file.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "userspace/tools/target_root.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxNumbers = 6;

// Takes digits from the front of `text`.
std::optional<int> take_number(std::string_view& text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_number<int>(text.substr(0, digits));
  text.remove_prefix(digits);
  return number;
}

bool take(std::string_view& text, std::string_view prefix) {
  const bool is_there = text.starts_with(prefix);
  text.remove_prefix(is_there ? prefix.size() : 0);
  return is_there;
}

// After "1.": "8.0_392-b08".
std::optional<JavaVersion> parse_old(std::string_view text) {
  const auto major = take_number(text);
  if (!major) {
    return std::nullopt;
  }
  JavaVersion version{.numbers = {*major}};
  if (take(text, ".0_")) {
    const auto update = take_number(text);
    version.numbers.push_back(update.value_or(0));
  }
  if (take(text, "-b")) {
    version.build = take_number(text).value_or(0);
  }
  return version;
}

// KEY="VALUE"; "": not there.
std::string_view value_of(std::string_view text, std::string_view key) {
  for (std::string_view line : split(text, '\n')) {
    if (take(line, key) && take(line, "=\"")) {
      return line.substr(0, line.find('"'));
    }
  }
  return "";
}

}  // namespace

std::optional<JavaVersion> parse_java_version(std::string_view text) {
  std::optional<JavaVersion> version;
  if (take(text, "1.")) {
    version = parse_old(text);
  } else if (const auto major = take_number(text)) {
    version = JavaVersion{.numbers = {*major}};
    while (version->numbers.size() < kMaxNumbers && take(text, ".")) {
      version->numbers.push_back(take_number(text).value_or(0));
    }
    const std::size_t plus = text.find('+');
    if (plus != std::string_view::npos) {
      text.remove_prefix(plus + 1);
      version->build = take_number(text).value_or(0);
    }
  }
  while (version && version->numbers.size() > 1 && version->numbers.back() == 0) {
    version->numbers.pop_back();
  }
  return version;
}

std::optional<JavaVersion> parse_java_release(std::string_view text) {
  for (const std::string_view key : {"JAVA_RUNTIME_VERSION", "JAVA_VERSION"}) {
    if (auto version = parse_java_version(value_of(text, key))) {
      return version;
    }
  }
  return std::nullopt;
}

std::optional<JavaVersion> read_java_version(const Jvm& jvm) {
  constexpr std::size_t kMaxBytes = 65536;
  constexpr int kLevels = 5;  // HOME/lib/server, before 9 HOME/jre/lib/amd64/server
  const auto root = jvm.open_root();
  std::string directory = jvm.library;
  for (int i = 0; root && i < kLevels && directory.rfind('/') != std::string::npos; ++i) {
    directory.resize(directory.rfind('/'));
    const auto home = open_directory_in_root(root->get(), directory.empty() ? "/" : directory);
    // A link could lead out of the root.
    const auto status = home ? status_at(home->get(), "release") : std::unexpected(home.error());
    if (!status || !S_ISREG(status->st_mode)) {
      continue;
    }
    const UniqueFd file(
        ::openat(home->get(), "release", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    const auto text = file.is_open() ? read_all(file.get(), kMaxBytes) : Result<std::string>("");
    if (auto version = parse_java_release(text.value_or(""))) {
      return version;
    }
  }
  return std::nullopt;
}

bool is_tried_java(const JavaVersion& version) {
  const auto least_of_each = std::to_array<JavaVersion>({
      {.numbers = {7, 76}, .build = 4},
      {.numbers = {8, 25}, .build = 17},
      {.numbers = {11, 0, 2}, .build = 7},
      {.numbers = {12, 0, 1}, .build = 12},
      {.numbers = {13, 0, 1}, .build = 9},
      {.numbers = {14}, .build = 33},
      {.numbers = {15, 0, 1}, .build = 9},
      {.numbers = {16}, .build = 36},
      {.numbers = {17}, .build = 11},
      {.numbers = {18}, .build = 36},
      {.numbers = {19, 0, 1}, .build = 10},
      {.numbers = {21}, .build = 22},
  });
  return !version.numbers.empty() &&
         std::ranges::any_of(least_of_each, [&](const JavaVersion& least) {
           return version.numbers.front() == least.numbers.front() && version >= least;
         });
}

}  // namespace waggle
