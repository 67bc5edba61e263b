// SPDX-License-Identifier: Apache-2.0
// Options from where they may stand: the command line before the environment before the
// configuration file, each option as a whole.  Not for what values mean: <verb>_options.h.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "userspace/cli/options.h"

namespace waggle {

struct ConfigText {
  std::string path;
  std::string text;
};

struct SettingSources {
  std::vector<std::string> environment;  // "NAME=value": WAGGLE_<OPTION> before GPROFILER_<OPTION>
  std::vector<ConfigText> files;         // a later one before an earlier one
};

struct Settings {
  ParsedArguments values;
  // Option::name -> "config.ini:3: x: " or "WAGGLE_X: ", of those that are not of the command line.
  std::map<std::string, std::string, std::less<>> origins;

  // An error of a value, with the place where that stands.
  [[nodiscard]] Error place(Error error) const;
  // "key = value" lines, sorted.
  [[nodiscard]] std::string text() const;
};

// Errc::malformed: one line, with the place.
Result<Settings> merge_settings(const Syntax& syntax, std::span<const std::string> arguments,
                                const SettingSources& sources);

// The environment of this process, and the files: `given` (--config), and before it the first of
// the usual places that exists.  The error names the file.
Result<SettingSources> read_sources(const std::string* given);

}  // namespace waggle
