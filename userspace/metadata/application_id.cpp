// SPDX-License-Identifier: Apache-2.0
// Options as python(1), node(1), ruby(1), java(1), gunicorn, uvicorn, uWSGI and celery document
// them.  An interpreter's own options are not known one by one: what looks like a script is one.
#include "userspace/metadata/application_id.h"

#include <fmt/core.h>
#include <regex.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "base/text.h"

namespace waggle {

namespace {

using Id = std::optional<std::string>;
using Arguments = std::span<const std::string>;

std::string_view base_name(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

std::string_view argument(Arguments arguments, std::size_t index) {
  return index < arguments.size() ? std::string_view(arguments[index]) : std::string_view();
}

bool is_program(Arguments arguments, std::string_view name) {
  return base_name(argument(arguments, 0)) == name;
}

// As the program itself, or as the script of an interpreter.
bool is_program_or_script(Arguments arguments, std::string_view name) {
  return is_program(arguments, name) || base_name(argument(arguments, 1)) == name;
}

// "python", "python3", "python3.11".
bool is_python(Arguments arguments) {
  constexpr std::string_view kPython = "python";
  std::string_view name = base_name(argument(arguments, 0));
  if (!name.starts_with(kPython)) {
    return false;
  }
  name.remove_prefix(kPython.size());
  if (name.empty()) {
    return true;
  }
  if (name.front() != '2' && name.front() != '3') {
    return false;
  }
  name.remove_prefix(1);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return name.empty() || (name.size() >= 2 && name.size() <= 3 && name.front() == '.' &&
                          std::ranges::all_of(name.substr(1), is_digit));
}

bool runs_module(Arguments arguments, std::string_view module) {
  return is_python(arguments) && argument(arguments, 1) == "-m" && argument(arguments, 2) == module;
}

// "-A app", with `is_joined` also "-Aapp".
std::optional<std::string> find_short(Arguments arguments, std::string_view option,
                                      bool is_joined) {
  const auto found = std::ranges::find(arguments, option);
  if (found != arguments.end()) {
    return std::next(found) == arguments.end() ? std::nullopt : std::optional(*std::next(found));
  }
  const auto joined = std::ranges::find_if(
      arguments, [&](const std::string& word) { return word.starts_with(option); });
  return is_joined && joined != arguments.end() ? std::optional(joined->substr(option.size()))
                                                : std::nullopt;
}

// "--app app", "--app=app".
std::optional<std::string> find_long(Arguments arguments, std::string_view option) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view word = arguments[i];
    if (word == option && i + 1 < arguments.size()) {
      return arguments[i + 1];
    }
    if (word.starts_with(option) && word.substr(option.size()).starts_with('=')) {
      return std::string(word.substr(option.size() + 1));
    }
  }
  return std::nullopt;
}

std::string resolved(const ApplicationIdQuestion& question, const std::string& path) {
  return question.resolve ? question.resolve(path) : path;
}

// "a.b" is a/b.py.
std::string module_path(const ApplicationIdQuestion& question, std::string module) {
  if (!module.ends_with(".py")) {
    std::ranges::replace(module, '.', '/');
    module += ".py";
  }
  return resolved(question, module);
}

// "package.module:application".
std::string of_specification(const ApplicationIdQuestion& question, std::string_view server,
                             const std::string& specification) {
  const std::string module = specification.substr(0, specification.find(':'));
  return fmt::format("{}: {} ({})", server, specification, module_path(question, module));
}

// The first argument with a colon that is no option's value.
std::optional<std::string> find_specification(Arguments arguments, std::size_t first,
                                              std::string_view flag) {
  for (std::size_t i = first; i < arguments.size(); ++i) {
    const std::string_view before = argument(arguments, i - 1);
    const bool is_value = before.starts_with('-') && before != flag;
    if (!is_value && !arguments[i].starts_with('-') && arguments[i].contains(':')) {
      return arguments[i];
    }
  }
  return std::nullopt;
}

// setproctitle: "gunicorn: worker [app:application]", and nothing else.
Id gunicorn_title(const ApplicationIdQuestion& question) {
  std::string_view title = argument(question.arguments, 0);
  const auto is_used = [](const std::string& word) { return !word.empty(); };
  if (std::ranges::count_if(question.arguments, is_used) != 1) {
    return std::nullopt;
  }
  for (const std::string_view prefix : {"gunicorn: master [", "gunicorn: worker ["}) {
    if (title.starts_with(prefix) && title.ends_with(']')) {
      title = title.substr(prefix.size(), title.size() - prefix.size() - 1);
      return title.contains(']') ? std::nullopt
                                 : Id(of_specification(question, "gunicorn", std::string(title)));
    }
  }
  return std::nullopt;
}

Id gunicorn(const ApplicationIdQuestion& question) {
  if (!is_program_or_script(question.arguments, "gunicorn")) {
    return std::nullopt;
  }
  const auto specification = find_specification(question.arguments, 1, "");
  return specification ? of_specification(question, "gunicorn", *specification)
                       : "gunicorn: unknown app name";
}

Id uvicorn(const ApplicationIdQuestion& question) {
  const bool is_module = runs_module(question.arguments, "uvicorn");
  if (!is_module && !is_program_or_script(question.arguments, "uvicorn")) {
    return std::nullopt;
  }
  const auto specification = find_specification(question.arguments, is_module ? 3 : 1, "--factory");
  return specification ? of_specification(question, "uvicorn", *specification)
                       : "uvicorn: unknown app name";
}

// `key` in a section of an .ini file.
std::optional<std::string> find_in_ini(std::string_view text, std::string_view section,
                                       std::string_view key) {
  bool is_inside = false;
  for (const std::string_view raw : split(text, '\n')) {
    const std::string_view line = trimmed(raw);
    if (line.starts_with('[') && line.ends_with(']')) {
      is_inside = line.substr(1, line.size() - 2) == section;
      continue;
    }
    const std::size_t at = line.find_first_of("=:");
    if (is_inside && at != std::string_view::npos && trimmed(line.substr(0, at)) == key) {
      return std::string(trimmed(line.substr(at + 1)));
    }
  }
  return std::nullopt;
}

std::optional<std::string> uwsgi_configuration(Arguments arguments) {
  for (const std::string_view option : {"--ini", "--ini-paste", "--ini-paste-logged"}) {
    if (auto file = find_long(arguments, option)) {
      return file;
    }
  }
  const auto is_ini = [](const std::string& word) { return word.ends_with(".ini"); };
  return std::ranges::count_if(arguments, is_ini) == 1
             ? std::optional(*std::ranges::find_if(arguments, is_ini))
             : std::nullopt;
}

Id uwsgi(const ApplicationIdQuestion& question) {
  if (!is_program(question.arguments, "uwsgi")) {
    return std::nullopt;
  }
  auto module = find_short(question.arguments, "-w", false);
  if (!module) {
    module = find_long(question.arguments, "--wsgi-file");
  }
  if (module) {
    return fmt::format("uwsgi: {} ({})", *module, module_path(question, *module));
  }
  const auto file = uwsgi_configuration(question.arguments);
  if (!file) {
    return "uwsgi: ini file / wsgi module not found";
  }
  const auto text = question.read ? question.read(*file) : std::nullopt;
  module = text ? find_in_ini(*text, "uwsgi", "module") : std::nullopt;
  return module ? fmt::format("uwsgi: {} ({})", *file, module_path(question, *module))
                : fmt::format("uwsgi: {}", *file);
}

Id celery(const ApplicationIdQuestion& question) {
  const Arguments arguments = question.arguments;
  if (!is_program_or_script(arguments, "celery") && !runs_module(arguments, "celery")) {
    return std::nullopt;
  }
  auto application = find_short(arguments, "-A", true);
  if (!application) {
    application = find_long(arguments, "--app");
  }
  if (application) {
    return fmt::format("celery: {} ({})", *application, module_path(question, *application));
  }
  auto queue = find_short(arguments, "-Q", true);
  if (!queue) {
    queue = find_long(arguments, "--queues");
  }
  return queue ? Id(fmt::format("celery queue: {} ({})", *queue, question.cwd)) : std::nullopt;
}

Id pyspark(const ApplicationIdQuestion& question) {
  return runs_module(question.arguments, "pyspark.daemon") ? Id("pyspark") : std::nullopt;
}

Id python(const ApplicationIdQuestion& question) {
  if (!is_python(question.arguments)) {
    return std::nullopt;
  }
  if (const auto module = find_short(question.arguments, "-m", false)) {
    return fmt::format("python: -m {}", *module);
  }
  const std::string script(argument(question.arguments, 1));
  return script.ends_with(".py")
             ? Id(fmt::format("python: {} ({})", script, module_path(question, script)))
             : std::nullopt;
}

// The first argument with that ending, which is no library that `require` loads.
Id script(const ApplicationIdQuestion& question, std::string_view runtime, std::string_view ending,
          std::span<const std::string_view> requires_next) {
  for (std::size_t i = 1; i < question.arguments.size(); ++i) {
    const std::string& word = question.arguments[i];
    if (std::ranges::find(requires_next, word) != requires_next.end()) {
      ++i;
    } else if (word.ends_with(ending) && !word.starts_with('-')) {
      return fmt::format("{}: {} ({})", runtime, word, resolved(question, word));
    }
  }
  return std::nullopt;
}

Id node(const ApplicationIdQuestion& question) {
  constexpr auto kRequire = std::to_array<std::string_view>({"-r", "--require"});
  return script(question, "nodejs", ".js", kRequire);
}

Id ruby(const ApplicationIdQuestion& question) {
  constexpr auto kRequire = std::to_array<std::string_view>({"-r"});
  return script(question, "ruby", ".rb", kRequire);
}

// Options of java(1) whose value is the next argument.
constexpr auto kJavaWithValue = std::to_array<std::string_view>(
    {"-cp", "-classpath", "--class-path", "-p", "--module-path", "--upgrade-module-path",
     "--add-modules", "--add-reads", "--add-exports", "--add-opens", "--limit-modules",
     "--patch-module", "--source", "--enable-native-access", "-d", "--describe-module"});

// Only of the launcher: a program with a JVM in it has options of its own.
Id java(const ApplicationIdQuestion& question) {
  const Arguments arguments = question.arguments;
  if (!is_program(arguments, "java")) {
    return std::nullopt;
  }
  std::string shown;  // of the JVM's arguments
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (word.starts_with('@')) {
      return std::nullopt;  // a file with more arguments, maybe the class itself
    }
    if (word == "-jar" || word == "-m" || word == "--module" || !word.starts_with('-')) {
      const std::string_view main = word.starts_with('-') ? argument(arguments, i + 1) : word;
      return main.empty() ? std::nullopt
                          : Id(fmt::format("java: {}{}", main,
                                           shown.empty() ? "" : fmt::format(" ({})", shown)));
    }
    if (std::ranges::find(kJavaWithValue, word) != kJavaWithValue.end()) {
      ++i;
    } else if (question.java_arguments != nullptr && question.java_arguments->match(word)) {
      shown += (shown.empty() ? "" : " ") + word;
    }
  }
  return std::nullopt;
}

// An executor of Spark, which YARN starts beside its configuration.
Id spark(const ApplicationIdQuestion& question) {
  const auto is_executor = [](const std::string& word) {
    return word.contains("org.apache.spark.executor");
  };
  if (!std::ranges::any_of(question.arguments, is_executor)) {
    return std::nullopt;
  }
  const auto read =
      question.read ? question.read("__spark_conf__/__spark_conf__.properties") : std::nullopt;
  const std::string text = read.value_or("");
  for (const std::string_view raw : split(text, '\n')) {
    const std::string_view line = trimmed(raw.substr(0, raw.find('#')));
    const std::size_t at = line.find('=');
    if (at != std::string_view::npos && trimmed(line.substr(0, at)) == "spark.app.name") {
      return fmt::format("spark: {}", trimmed(line.substr(at + 1)));
    }
  }
  return "app name not found";
}

Id find_python_id(const ApplicationIdQuestion& question) {
  for (const auto find : {gunicorn_title, gunicorn, uvicorn, uwsgi, celery, pyspark, python}) {
    if (Id id = find(question)) {
      return id;
    }
  }
  return std::nullopt;
}

Id find_java_id(const ApplicationIdQuestion& question) {
  Id id = java(question);
  const Id of_spark = question.wants_spark ? spark(question) : std::nullopt;
  if (!of_spark) {
    return id;
  }
  return id ? *id + ", " + *of_spark : of_spark;
}

Id find_any(const ApplicationIdQuestion& question) {
  const RuntimesOfProcess& runtimes = question.runtimes;
  return runtimes.has_python ? find_python_id(question)
         : runtimes.has_java ? find_java_id(question)
         : runtimes.has_node ? node(question)
         : runtimes.has_ruby ? ruby(question)
                             : std::nullopt;
}

}  // namespace

std::vector<std::string> parse_command_line(std::string_view text) {
  text = text.substr(0, kMaxCommandLineBytes);
  if (text.ends_with('\0')) {
    text.remove_suffix(1);
  }
  std::vector<std::string> arguments;
  if (text.empty()) {
    return arguments;
  }
  for (const std::string_view word : split(text, '\0')) {
    if (arguments.size() == kMaxArguments) {
      break;
    }
    arguments.emplace_back(word);
  }
  return arguments;
}

struct ArgumentFilters::Pattern {
  Pattern() = default;
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;
  ~Pattern() {
    if (is_compiled) {
      ::regfree(&compiled);
    }
  }
  regex_t compiled{};
  bool is_compiled = false;
};

Result<> ArgumentFilters::add(const std::string& pattern) {
  auto added = std::make_shared<Pattern>();
  const int status = ::regcomp(&added->compiled, pattern.c_str(), REG_EXTENDED | REG_NOSUB);
  if (status != 0) {
    std::array<char, 128> text{};
    (void)::regerror(status, &added->compiled, text.data(), text.size());
    return fail(Errc::malformed, text.data());
  }
  added->is_compiled = true;
  patterns_.push_back(std::move(added));
  return {};
}

bool ArgumentFilters::match(std::string_view argument) const {
  constexpr std::size_t kLookedAt = 1024;
  const std::string text(argument.substr(0, kLookedAt));
  return std::ranges::any_of(patterns_, [&](const auto& pattern) {
    return ::regexec(&pattern->compiled, text.c_str(), 0, nullptr, 0) == 0;
  });
}

std::optional<std::string> find_application_id(const ApplicationIdQuestion& question) {
  Id id = find_any(question);
  if (id && id->size() > kMaxApplicationIdBytes) {
    id->resize(kMaxApplicationIdBytes);
  }
  return id;
}

}  // namespace waggle
