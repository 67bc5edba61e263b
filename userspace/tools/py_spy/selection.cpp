// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/py_spy/selection.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace waggle {

namespace {

constexpr auto kServices = std::to_array<std::string_view>(
    {"unattended-upgrades", "networkd-dispatcher", "supervisord", "tuned"});
constexpr auto kServers = std::to_array<std::string_view>({"uwsgi", "gunicorn", "uvicorn"});
constexpr std::string_view kPython = "python";
constexpr std::string_view kDeleted = " (deleted)";
constexpr auto kNone = std::string_view::npos;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n';
}

bool is_word(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

std::string lower(std::string_view text) {
  std::string lowered(text);
  std::ranges::transform(lowered, lowered.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return lowered;
}

std::string_view base_name(std::string_view path) {
  if (path.ends_with(kDeleted)) {
    path.remove_suffix(kDeleted.size());
  }
  return path.substr(path.rfind('/') + 1);
}

// python, python3, python3.11, python3.11-config.
bool is_interpreter_name(std::string_view name) {
  if (std::ranges::find(kServers, name) != kServers.end()) {
    return true;
  }
  constexpr std::string_view kConfig = "-config";
  if (name.ends_with(kConfig)) {
    name.remove_suffix(kConfig.size());
  }
  return name.starts_with(kPython) &&
         name.substr(kPython.size()).find_first_not_of("0123456789.") == kNone;
}

// Whether `option`, blanks and a character that `is_wanted` stand somewhere in `text`.
template <class IsWanted>
bool has_option(std::string_view text, std::string_view option, IsWanted is_wanted) {
  for (std::size_t at = text.find(option); at != kNone; at = text.find(option, at + 1)) {
    const std::string_view rest = text.substr(at + option.size());
    const auto value = std::ranges::find_if_not(rest, is_blank);
    if (value != rest.begin() && is_wanted(value == rest.end() ? '\0' : *value)) {
      return true;
    }
  }
  return false;
}

// "python3 app.py", "python -m app", "python -c 'code'".
bool runs_python(std::string_view command_line) {
  const std::size_t at = command_line.find(kPython);
  if (at == kNone) {
    return false;
  }
  const std::string_view rest = command_line.substr(at + kPython.size());
  return rest.find(".py") != kNone || has_option(rest, "-m", is_word) ||
         has_option(rest, "-c", [](char) { return true; });
}

// The parts stand in `text` in this order, with anything between them.
bool has_in_order(std::string_view text, std::initializer_list<std::string_view> parts) {
  for (const std::string_view part : parts) {
    const std::size_t at = text.find(part);
    if (at == kNone) {
      return false;
    }
    text.remove_prefix(at + part.size());
  }
  return true;
}

// ".../runfiles/python3_...": of a bundle that a build system made.
bool is_in_runfiles(std::string_view path) {
  constexpr std::string_view kRunfiles = "/runfiles/python";
  for (std::size_t at = path.find(kRunfiles); at != kNone; at = path.find(kRunfiles, at + 1)) {
    const std::string_view rest = path.substr(at + kRunfiles.size());
    const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    if (digits > 0 && rest.substr(digits).starts_with('_')) {
      return true;
    }
  }
  return false;
}

// `path`: in lower case.
bool is_of_embedded_python(std::string_view path) {
  return is_in_runfiles(path) || has_in_order(path, {"/tmp/", "runfiles", kPython}) ||
         has_in_order(path, {".so.1.0", "(deleted)"}) ||
         has_in_order(path, {"/embedded_python/"}) || has_in_order(path, {"/embedded-python/"}) ||
         has_in_order(path, {".so", kPython, "embedded"}) ||
         has_in_order(path, {"/app/", kPython, "/bin/python"});
}

bool is_system_python(std::string_view path) {
  return path.starts_with("/usr/bin/python") || path.starts_with("/bin/python");
}

bool is_embedded(const PySpyCandidate& candidate) {
  if (is_interpreter_name(lower(base_name(candidate.program))) ||
      runs_python(candidate.command_line)) {
    return false;
  }
  bool has_library = false;
  bool has_program = false;
  for (const std::string& mapped : candidate.mapped) {
    const std::string path = lower(mapped);
    if (is_of_embedded_python(path)) {
      return true;
    }
    has_library |= base_name(path).starts_with("libpython");
    has_program |= is_system_python(path);
  }
  return has_library && !has_program;
}

}  // namespace

PySpyVerdict judge_for_py_spy(const PySpyCandidate& candidate) {
  for (const std::string_view service : kServices) {
    if (candidate.command_line.find(service) != kNone) {
      return PySpyVerdict::service;
    }
  }
  if (base_name(candidate.program).starts_with("pypy")) {
    return PySpyVerdict::pypy;
  }
  return is_embedded(candidate) ? PySpyVerdict::embedded : PySpyVerdict::take;
}

std::string_view py_spy_verdict_text(PySpyVerdict verdict) {
  switch (verdict) {
    case PySpyVerdict::take:
      return "profiled";
    case PySpyVerdict::service:
      return "service of the system";
    case PySpyVerdict::pypy:
      return "PyPy";
    case PySpyVerdict::embedded:
      break;
  }
  return "embedded Python";
}

}  // namespace waggle
