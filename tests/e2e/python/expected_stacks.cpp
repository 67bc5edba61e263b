// SPDX-License-Identifier: Apache-2.0
#include "tests/e2e/python/expected_stacks.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/file.h"
#include "base/text.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxSourceBytes = 1 << 20;
constexpr std::size_t kMaxTimes = 10'000;

using Words = std::vector<std::string_view>;

// "3.13t" -> 313.
std::optional<int> parse_version(std::string_view text) {
  if (text.ends_with('t')) {
    text.remove_suffix(1);
  }
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) {
    return std::nullopt;
  }
  const auto major = parse_number<unsigned>(text.substr(0, dot));
  const auto minor = parse_number<unsigned>(text.substr(dot + 1));
  return major && minor && *minor < 100 ? std::optional(static_cast<int>(*major * 100 + *minor))
                                        : std::nullopt;
}

// "2.7", "-3.10", "3.11-", "3.6-3.8".
std::optional<bool> is_in_range(std::string_view range, int version) {
  const std::size_t dash = range.find('-');
  if (dash == std::string_view::npos) {
    const auto only = parse_version(range);
    return only ? std::optional(*only == version) : std::nullopt;
  }
  const auto bound = [](std::string_view text, int open) {
    return text.empty() ? std::optional(open) : parse_version(text);
  };
  const auto first = bound(range.substr(0, dash), 0);
  const auto last = bound(range.substr(dash + 1), 1 << 20);
  return first && last ? std::optional(*first <= version && version <= *last) : std::nullopt;
}

std::optional<bool> is_in_ranges(std::string_view ranges, int version) {
  bool is_in = false;
  for (const std::string_view range : split(ranges, ',')) {
    const auto found = is_in_range(range, version);
    if (!found) {
      return std::nullopt;
    }
    is_in = is_in || *found;
  }
  return is_in;
}

Words words_of(std::string_view line) {
  Words words;
  for (const std::string_view word : split(line, ' ')) {
    if (!word.empty()) {
      words.push_back(word);
    }
  }
  return words;
}

// A stack as it is written: of all values of n at once.
struct Pattern {
  struct Function {
    std::string_view name;
    std::size_t times = 1;
    bool is_n_times = false;
  };

  std::string_view label;
  bool is_idle = false;
  std::size_t first_n = 0;  // 0: there is no n
  std::size_t last_n = 0;
  std::vector<Function> functions;
  std::vector<std::size_t> interpreter_starts;  // by number of the function in the pattern
};

class Parser {
 public:
  explicit Parser(int version) : version_(version) {}

  // False: this cannot be read.
  bool take(std::string_view line) {
    const Words words = words_of(line);
    if (words.empty()) {
      return true;
    }
    if (words[0] == "versions" && words.size() == 2) {
      const auto is_in = is_in_ranges(words[1], version_);
      is_for_version_ = is_in.value_or(false);
      return is_in.has_value();
    }
    if (words[0] == "stack" || words[0] == "idle") {
      return begin_stack(words);
    }
    return !patterns_.empty() && add_function(words);
  }

  [[nodiscard]] std::vector<ExpectedStack> stacks() const {
    std::vector<ExpectedStack> stacks;
    for (const Pattern& pattern : patterns_) {
      for (std::size_t n = pattern.first_n; is_for_version_ && n <= pattern.last_n; ++n) {
        stacks.push_back(expand(pattern, n));
      }
    }
    return stacks;
  }

 private:
  bool begin_stack(const Words& words) {
    Pattern pattern;
    pattern.is_idle = words[0] == "idle";
    for (const std::string_view word : Words(words.begin() + 1, words.end())) {
      if (!word.starts_with("n=")) {
        pattern.label = word;
        continue;
      }
      const std::size_t dots = word.find("..");
      const auto first = parse_number<std::size_t>(word.substr(2, dots - 2));
      const auto last = dots == std::string_view::npos
                            ? std::nullopt
                            : parse_number<std::size_t>(word.substr(dots + 2));
      if (!first || !last || *first == 0 || *last < *first || *last > kMaxTimes) {
        return false;
      }
      pattern.first_n = *first;
      pattern.last_n = *last;
    }
    patterns_.push_back(std::move(pattern));
    return true;
  }

  bool add_function(const Words& words) {
    Pattern& pattern = patterns_.back();
    if (words[0] == "--") {
      pattern.interpreter_starts.push_back(pattern.functions.size());
      return words.size() == 2 && words[1] == "interpreter";
    }
    Pattern::Function function{.name = words[0]};
    bool is_there = true;
    for (std::size_t i = 1; i < words.size(); ++i) {
      const std::string_view word = words[i];
      if (word.starts_with('[') && word.ends_with(']')) {
        const auto is_in = is_in_ranges(word.substr(1, word.size() - 2), version_);
        if (!is_in) {
          return false;
        }
        is_there = *is_in;
      } else if (word == "*n" && pattern.first_n != 0) {
        function.is_n_times = true;
      } else if (const auto times = parse_number<std::size_t>(word.substr(1));
                 word.starts_with('*') && times && *times <= kMaxTimes) {
        function.times = *times;
      } else {
        return false;
      }
    }
    if (is_there) {
      pattern.functions.push_back(function);
    }
    return true;
  }

  static ExpectedStack expand(const Pattern& pattern, std::size_t n) {
    ExpectedStack stack{.label = std::string(pattern.label),
                        .is_idle = pattern.is_idle,
                        .functions = {},
                        .interpreter_starts = {}};
    if (n != 0) {
      stack.label += fmt::format(" {}", n);
    }
    for (std::size_t i = 0; i < pattern.functions.size(); ++i) {
      if (std::ranges::count(pattern.interpreter_starts, i) != 0) {
        stack.interpreter_starts.push_back(stack.functions.size());
      }
      const Pattern::Function& function = pattern.functions[i];
      stack.functions.insert(stack.functions.end(), function.is_n_times ? n : function.times,
                             std::string(function.name));
    }
    return stack;
  }

  int version_;
  bool is_for_version_ = true;
  std::vector<Pattern> patterns_;
};

// What a line of a comment says: without "#", "//" or "*" in front; nothing for other lines.
std::optional<std::string_view> comment_of(std::string_view line) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  for (const std::string_view mark : {"#", "//", "*"}) {
    if (line.starts_with(mark)) {
      line.remove_prefix(mark.size());
      line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
      return line;
    }
  }
  return std::nullopt;
}

}  // namespace

Result<std::vector<ExpectedStack>> parse_expected_stacks(std::string_view text,
                                                         std::string_view version) {
  const auto number = parse_version(version);
  if (!number) {
    return fail(Errc::malformed, fmt::format("no version: {}", version));
  }
  Parser parser(*number);
  bool is_inside = false;
  std::size_t line_number = 0;
  for (const std::string_view line : split(text, '\n')) {
    ++line_number;
    const auto comment = comment_of(line);
    if (!is_inside) {
      is_inside = comment == "expected:";
    } else if (comment == "end") {
      return parser.stacks();
    } else if (!comment || !parser.take(*comment)) {
      return fail(Errc::malformed, fmt::format("line {}: {}", line_number, line));
    }
  }
  return fail(Errc::malformed, "no comment from \"expected:\" to \"end\"");
}

Result<std::vector<ExpectedStack>> read_expected_stacks(const std::string& path,
                                                        std::string_view version) {
  const std::string text = TRY(read_file(path, kMaxSourceBytes));
  auto stacks = parse_expected_stacks(text, version);
  return stacks ? std::move(stacks) : add_context(path, std::move(stacks).error());
}

std::vector<std::string> list_python_programs(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".py") {
      names.push_back(entry.path().stem());
    }
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace waggle
