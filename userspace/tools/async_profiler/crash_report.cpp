// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/async_profiler/crash_report.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <span>
#include <utility>

#include "base/file.h"
#include "base/text.h"
#include "userspace/tools/target_root.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxLine = 200;
constexpr std::size_t kMaxWholeLine = 1000;
constexpr std::size_t kMaxWholeLines = 5000;  // JDK 25 writes 1,500 for a small program
constexpr std::size_t kMaxDetails = 12;       // lines of a section

// "/logs/%p.log" -> "/logs/42.log"
std::string expand(std::string_view pattern, std::uint32_t pid) {
  std::string path;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '%' && i + 1 < pattern.size()) {
      ++i;
      path += pattern[i] == 'p' ? std::to_string(pid) : std::string(1, pattern[i]);
    } else {
      path += pattern[i];
    }
  }
  return path;
}

// The value of -XX:ErrorFile, the last one.
std::string error_file(const Jvm& jvm) {
  constexpr std::string_view kOption = "-XX:ErrorFile=";
  const std::string text = jvm.read_text("cmdline");
  std::string path;
  for (const std::string_view word : split(text, '\0')) {
    if (word.starts_with(kOption)) {
      path = expand(word.substr(kOption.size()), jvm.status.innermost_pid);
    }
  }
  return path;
}

std::string_view without_end(std::string_view line) {
  return line.substr(0, line.find_last_not_of(" \t\r") + 1);
}

// "TITLE: LINE; LINE" of what follows a line that begins with `start`, up to an empty one; "" where
// there is none.
std::string section(const std::vector<std::string_view>& lines, std::string_view start,
                    std::string_view title) {
  const auto heading = std::ranges::find_if(
      lines, [start](std::string_view text) { return text.starts_with(start); });
  if (heading == lines.end()) {
    return "";
  }
  std::string text;
  std::size_t count = 0;
  for (auto line = heading + 1; line != lines.end() && !without_end(*line).empty(); ++line) {
    if (++count > kMaxDetails) {
      text += "; ...";
      break;
    }
    text += (count == 1 ? fmt::format("{}: ", title) : "; ") +
            printable(without_end(line->substr(0, kMaxLine)));
  }
  return text;
}

}  // namespace

std::vector<std::string> crash_details(std::string_view report) {
  const std::vector<std::string_view> lines = split(report, '\n');
  std::vector<std::string> details;
  for (const std::string_view whole : {"vm_info: ", "container information not found"}) {
    const auto line = std::ranges::find_if(
        lines, [whole](std::string_view text) { return text.starts_with(whole); });
    if (line != lines.end()) {
      details.push_back(printable(without_end(line->substr(0, kMaxLine))));
    }
  }
  for (std::string text : {section(lines, "Native frames: ", "native frames"),
                           section(lines, "container (cgroup) information:", "container")}) {
    if (!text.empty()) {
      details.push_back(std::move(text));
    }
  }
  return details;
}

std::vector<std::string> crash_lines(std::string_view report) {
  std::vector<std::string> lines;
  for (const std::string_view line : split(report, '\n')) {
    if (lines.size() == kMaxWholeLines) {
      lines.emplace_back("... (cut here)");
      break;
    }
    lines.push_back(printable(without_end(line.substr(0, kMaxWholeLine))));
  }
  while (!lines.empty() && lines.back().empty()) {
    lines.pop_back();
  }
  return lines;
}

std::string crash_excerpt(std::string_view report) {
  std::string excerpt;
  bool is_frame = false;
  const auto add = [&excerpt](std::string_view text) {
    const std::size_t start = text.find_first_not_of("# ");
    if (start != std::string_view::npos && excerpt.size() < kMaxWholeLine) {
      excerpt += (excerpt.empty() ? "" : "; ") + printable(text.substr(start, kMaxLine));
    }
  };
  for (const std::string_view line : split(report, '\n')) {
    constexpr std::string_view kSignal = "#  SIG";
    constexpr std::string_view kInfo = "siginfo: ";
    if (line.starts_with(kSignal) || line.starts_with("#  Internal Error") || is_frame) {
      add(line);
    }
    is_frame = line == "# Problematic frame:";
    if (line.starts_with(kInfo)) {
      add(line);
      break;
    }
  }
  return excerpt;
}

Result<CrashReport> CrashReport::watch(const Jvm& jvm) {
  CrashReport report;
  report.uid_ = jvm.status.effective_uid;
  report.since_ = ::time(nullptr);
  report.name_ = fmt::format("hs_err_pid{}.log", jvm.status.innermost_pid);
  const UniqueFd root = TRY(jvm.open_root());
  report.working_ =
      UniqueFd(::openat(jvm.directory.get(), "cwd", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (auto temporary = open_directory_in_root(root.get(), "/tmp")) {
    report.temporary_ = *std::move(temporary);
  }
  const std::string path = error_file(jvm);
  if (const std::size_t slash = path.rfind('/'); slash != std::string::npos) {
    const bool is_absolute = path.starts_with('/');
    const int from = is_absolute ? root.get() : report.working_.get();
    if (auto named = open_directory_in_root(
            from, is_absolute ? path.substr(0, slash + 1) : path.substr(0, slash))) {
      report.named_ = *std::move(named);
      report.named_file_ = path.substr(slash + 1);
    }
  } else if (!path.empty()) {
    report.named_ = UniqueFd(::openat(report.working_.get(), ".", O_PATH | O_CLOEXEC));
    report.named_file_ = path;
  }
  return report;
}

// "": none that is the JVM's and of now.
std::string CrashReport::read(int directory, const std::string& name) const {
  const UniqueFd fd(directory < 0 || name.empty()
                        ? -1
                        : ::openat(directory, name.c_str(),
                                   O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat status{};
  if (!fd.is_open() || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
      status.st_uid != uid_ || status.st_mtime < since_) {
    return "";
  }
  std::string text(kMaxReportBytes, '\0');
  const auto size = read_at(fd.get(), 0, std::as_writable_bytes(std::span(text)));
  text.resize(size.value_or(0));
  return text;
}

std::optional<Crash> CrashReport::find(bool is_whole) const {
  for (const auto& [directory, name] :
       {std::pair(named_.get(), named_file_), std::pair(working_.get(), name_),
        std::pair(temporary_.get(), name_)}) {
    const std::string text = read(directory, name);
    if (std::string excerpt = crash_excerpt(text); !excerpt.empty()) {
      return Crash{.excerpt = std::move(excerpt),
                   .lines = is_whole ? crash_lines(text) : crash_details(text)};
    }
  }
  return std::nullopt;
}

}  // namespace waggle
