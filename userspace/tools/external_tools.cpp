// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/external_tools.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>

#include "base/check.h"
#include "base/subprocess.h"
#include "base/text.h"

namespace waggle {

namespace {

constexpr auto kTools = std::to_array<ExternalTool>({
    {"perf", "perf", false, "sampling where BPF is refused",
     "install linux-perf (Debian) or linux-tools"},
    {"py-spy", "py-spy", false, "Python functions where BPF is refused", "pip install py-spy"},
    {"async-profiler", "libasyncProfiler.so", true, "Java methods",
     "put libasyncProfiler.so beside waggle"},
    {"jattach", "jattach", false, "nothing: waggle attaches to Java by itself", "install jattach"},
    {"rbspy", "rbspy", false, "Ruby methods", "cargo install rbspy"},
    {"phpspy", "phpspy", false, "PHP functions", "build phpspy and put it beside waggle"},
    {"dotnet-trace", "dotnet-trace", false, ".NET methods",
     "dotnet tool install --global dotnet-trace"},
    {"node-linux-perf", "linux-perf.node", true, "functions of a Node without --perf-basic-prof",
     "build npm's linux-perf (tools/fetch-profilers) and put linux-perf.node beside waggle"},
});

constexpr auto kUsualPlaces = std::to_array<std::string_view>(
    {"/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/usr/local/lib",
     "/usr/lib", "/opt/async-profiler/lib", "/opt/async-profiler/build/lib"});

bool is_usable(const std::string& path, bool is_library) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         ::access(path.c_str(), is_library ? R_OK : X_OK) == 0;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string last_words(const ToolRun& run) {
  switch (run.end) {
    case ToolRun::End::past_deadline:
      return "did not tell its version in time";
    case ToolRun::End::past_output_limit:
      return "told too much instead of its version";
    case ToolRun::End::exited:
      break;
  }
  if (WIFSIGNALED(run.wait_status)) {
    return fmt::format("was ended by signal {}", WTERMSIG(run.wait_status));
  }
  return "told no version";
}

}  // namespace

std::span<const ExternalTool> external_tools() {
  return kTools;
}

std::vector<std::string> tool_directories() {
  std::vector<std::string> directories;
  const auto add = [&](std::string_view directory) {
    // A relative one would depend on where we were started.
    if (directory.starts_with('/') &&
        std::ranges::find(directories, directory) == directories.end()) {
      directories.emplace_back(directory);
    }
  };
  std::error_code failed;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (!failed) {
    add(program.parent_path().string());
  }
  if (const char* path = std::getenv("PATH")) {
    std::ranges::for_each(split(path, ':'), add);
  }
  std::ranges::for_each(kUsualPlaces, add);
  return directories;
}

std::optional<std::string> find_tool(const ExternalTool& tool,
                                     std::span<const std::string> directories) {
  for (const std::string& directory : directories) {
    std::string path = fmt::format("{}/{}", directory, tool.file);
    if (is_usable(path, tool.is_library)) {
      return path;
    }
  }
  return std::nullopt;
}

Result<std::string> locate_tool(std::string_view name, const std::string& given) {
  const auto tool = std::ranges::find(kTools, name, &ExternalTool::name);
  CHECK(tool != kTools.end());
  if (!given.empty()) {
    std::error_code failed;
    std::string path = std::filesystem::absolute(given, failed).string();
    if (std::error_code no; tool->is_library && std::filesystem::is_directory(path, no)) {
      path += fmt::format("/{}", tool->file);
    }
    if (failed || !is_usable(path, tool->is_library)) {
      return fail(Errc::not_found, fmt::format("{} is no {} that we may {}", given,
                                               tool->is_library ? "library" : "program",
                                               tool->is_library ? "read" : "run"));
    }
    return path;
  }
  if (auto path = find_tool(*tool, tool_directories())) {
    return *std::move(path);
  }
  return fail(Errc::not_found, fmt::format("{} is not found: {}", name, tool->install));
}

Result<std::string> read_tool_version(const std::string& path) {
  constexpr ToolLimits kLimits = {.deadline = std::chrono::seconds(8), .output_bytes = 16384};
  const ToolRun run = TRY(run_tool(std::vector<std::string>{path, "--version"}, kLimits));
  // Some know no --version, fail, and tell it all the same (jattach).
  if (run.end == ToolRun::End::exited && WIFEXITED(run.wait_status)) {
    if (auto version = find_version(run.output)) {
      return *std::move(version);
    }
  }
  return fail(Errc::system, last_words(run));
}

std::optional<std::string> find_version(std::string_view output) {
  constexpr std::size_t kMaxVersionBytes = 40;
  for (const std::string_view line : split(output, '\n')) {
    for (std::string_view word : split(line, ' ')) {
      if (word.starts_with('v')) {
        word.remove_prefix(1);
      }
      const auto end = std::ranges::find_if(word, [](char c) {
        return !is_digit(c) && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && c != '.' &&
               c != '-' && c != '_' && c != '+' && c != '~';
      });
      word = word.substr(0, static_cast<std::size_t>(end - word.begin()));
      const bool has_dot = word.find('.') != std::string_view::npos;
      if (!word.empty() && is_digit(word.front()) && has_dot) {
        return std::string(word.substr(0, kMaxVersionBytes));
      }
    }
  }
  return std::nullopt;
}

}  // namespace waggle
