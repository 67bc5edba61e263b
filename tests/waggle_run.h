// SPDX-License-Identifier: Apache-2.0
// One run of the built program, and the profile it wrote taken apart.
#pragma once

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/file.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "tests/temp_dir.h"

namespace waggle {

struct WaggleResult {
  int status = -1;  // the exit status, or 128 + the signal
  std::string out;
  std::string err;
  std::chrono::duration<double> took{};
};

// A run in the background; its directory is empty at the start.
class WaggleRun {
 public:
  explicit WaggleRun(const std::vector<std::string>& arguments,
                     const std::vector<std::string>& wrapper = {})
      : start_(std::chrono::steady_clock::now()) {
    std::vector<std::string> words = wrapper;
    words.emplace_back(WAGGLE_PROGRAM);
    words.insert(words.end(), arguments.begin(), arguments.end());
    pid_ = ::fork();
    CHECK(pid_ >= 0);
    if (pid_ == 0) {
      run(words);
    }
  }
  WaggleRun(const WaggleRun&) = delete;
  WaggleRun& operator=(const WaggleRun&) = delete;
  ~WaggleRun() {
    if (pid_ > 0) {
      (void)::kill(pid_, SIGKILL);
      (void)wait();
    }
  }

  [[nodiscard]] pid_t pid() const { return pid_; }
  // Where it runs, and where relative outputs go.
  [[nodiscard]] std::string directory() const { return dir_.path() + "/cwd"; }

  WaggleResult wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0) {
      CHECK(errno == EINTR);
    }
    pid_ = -1;
    constexpr int kSignalBase = 128;
    return {.status = WIFEXITED(status) ? WEXITSTATUS(status) : kSignalBase + WTERMSIG(status),
            .out = read_file(dir_.path() + "/out", kLimit).value(),
            .err = read_file(dir_.path() + "/err", kLimit).value(),
            .took = std::chrono::steady_clock::now() - start_};
  }

 private:
  static constexpr std::size_t kLimit = std::size_t{1} << 28;

  [[noreturn]] void run(const std::vector<std::string>& words) {
    std::vector<char*> argv;
    for (const std::string& word : words) {
      argv.push_back(const_cast<char*>(word.c_str()));
    }
    argv.push_back(nullptr);
    const std::string cwd = directory();
    const auto redirect = [](const std::string& path, int to) {
      const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
      return file.is_open() && ::dup2(file.get(), to) == to;
    };
    const bool is_ready = ::mkdir(cwd.c_str(), 0777) == 0 && ::chdir(cwd.c_str()) == 0 &&
                          redirect(dir_.path() + "/out", STDOUT_FILENO) &&
                          redirect(dir_.path() + "/err", STDERR_FILENO);
    if (is_ready) {
      ::execvp(argv[0], argv.data());
    }
    ::_exit(127);
  }

  TempDir dir_;
  pid_t pid_ = -1;
  std::chrono::steady_clock::time_point start_;
};

inline WaggleResult run_waggle(const std::vector<std::string>& arguments,
                               const std::vector<std::string>& wrapper = {}) {
  WaggleRun run(arguments, wrapper);
  return run.wait();
}

// A .col file.
struct CollapsedFile {
  struct Line {
    std::string container;
    std::string comm;
    std::vector<std::string> frames;  // root first, without the application's id
    std::uint64_t count = 0;
    std::size_t application = 0;      // in the header's application_metadata
    std::string application_id = {};  // "" for none

    // ";frame;frame"
    [[nodiscard]] std::string stack() const {
      std::string joined;
      for (const std::string& frame : frames) {
        joined += ";" + frame;
      }
      return joined;
    }
  };

  nlohmann::json header;
  std::vector<Line> lines;

  static CollapsedFile parse(std::string_view text) {
    CollapsedFile file;
    for (const std::string_view line : split(text, '\n')) {
      if (line.starts_with("# ")) {
        file.header = nlohmann::json::parse(line.substr(2));
      } else {
        file.lines.push_back(parse_line(line, file.header["application_metadata_enabled"]));
      }
    }
    return file;
  }

  [[nodiscard]] std::uint64_t total() const {
    std::uint64_t sum = 0;
    for (const Line& line : lines) {
      sum += line.count;
    }
    return sum;
  }

  // Samples of a process whose stack, joined by ';', contains `part`.
  [[nodiscard]] std::uint64_t count_of(std::string_view comm, std::string_view part = "") const {
    std::uint64_t sum = 0;
    for (const Line& line : lines) {
      const bool is_counted = line.comm == comm && line.stack().find(part) != std::string::npos;
      sum += is_counted ? line.count : 0;
    }
    return sum;
  }

  // The part of a process' samples whose stack contains `part`.
  [[nodiscard]] double share_of(std::string_view comm, std::string_view part) const {
    return static_cast<double>(count_of(comm, part)) / static_cast<double>(count_of(comm));
  }

  // Of a process, for the message of a failed test.
  [[nodiscard]] std::string text_of(std::string_view comm) const {
    std::string text;
    for (const Line& line : lines) {
      if (line.comm == comm) {
        text += line.stack() + " " + std::to_string(line.count) + "\n";
      }
    }
    return text;
  }

  [[nodiscard]] std::uint64_t lost() const {
    std::uint64_t sum = 0;
    for (const auto& [name, count] : header["waggle"]["lost"].items()) {
      sum += count.get<std::uint64_t>();
    }
    return sum;
  }

  // What is in no line is in a named loss, and the other way round.
  [[nodiscard]] bool adds_up() const {
    const auto& waggle = header["waggle"];
    return total() + lost() ==
           waggle["samples"].get<std::uint64_t>() + waggle["added"].get<std::uint64_t>();
  }

 private:
  static Line parse_line(std::string_view text, bool has_application) {
    constexpr std::string_view kId = "appid: ";
    const std::size_t space = text.rfind(' ');
    CHECK(space != std::string_view::npos);
    auto fields = split(text.substr(0, space), ';');
    Line line{.container = {},
              .comm = {},
              .frames = {},
              .count = parse_number<std::uint64_t>(text.substr(space + 1)).value()};
    if (has_application) {
      line.application = parse_number<std::size_t>(fields.front()).value();
      fields.erase(fields.begin());
    }
    CHECK(fields.size() >= 2);
    line.container = fields[0];
    line.comm = fields[1];
    const bool has_id = fields.size() > 2 && fields[2].starts_with(kId);
    line.application_id = has_id ? fields[2].substr(kId.size()) : "";
    line.frames = {fields.begin() + (has_id ? 3 : 2), fields.end()};
    return line;
  }
};

}  // namespace waggle
