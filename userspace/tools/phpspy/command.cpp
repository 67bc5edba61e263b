// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/phpspy/command.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"

namespace waggle {

namespace {

// Its processes at once.
constexpr int kThreads = 16;
// What a pipe takes whole (PIPE_BUF): longer pieces of several threads mix.
constexpr int kBufferBytes = 4096;

bool is_harmless(char c) {
  constexpr std::string_view kOthers = " -_./:=,@%+^";
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         kOthers.find(c) != std::string_view::npos;
}

}  // namespace

Result<> check_php_filter(std::string_view filter) {
  const auto bad = std::ranges::find_if_not(filter, is_harmless);
  if (bad != filter.end()) {
    return fail(Errc::malformed, fmt::format("'{}' in it would be read by a shell",
                                             printable(std::string(1, *bad))));
  }
  if (filter.find_first_not_of(' ') == std::string_view::npos) {
    return fail(Errc::malformed, "it is empty");
  }
  return {};
}

int phpspy_rate(int frequency_hz) {
  return std::min(frequency_hz, kMaxPhpspyHz);
}

std::vector<std::string> phpspy_command(const std::string& phpspy, const std::string& filter,
                                        int frequency_hz) {
  return {phpspy,     "--verbose-fields=p",
          "-P",       filter,
          "-H",       fmt::to_string(phpspy_rate(frequency_hz)),
          "-b",       fmt::to_string(kBufferBytes),
          "-T",       fmt::to_string(kThreads),
          "--output", "-"};
}

}  // namespace waggle
