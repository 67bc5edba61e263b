// SPDX-License-Identifier: Apache-2.0
// What a runtime's profiler has to say: of what went wrong, and of whom it left out.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace waggle {

class RuntimeNotes {
 public:
  // `tool`: how lines about what was left out begin.
  explicit RuntimeNotes(std::string tool) : tool_(std::move(tool)) {}

  void add_problem(std::string text);
  // To be told, but nothing that failed.
  void tell(std::string text) { untold_.push_back(std::move(text)); }
  // Once, where the tool samples at less than was asked for.
  void tell_rate(int rate_hz, int asked_hz);
  void exclude(const std::string& reason, pid_t pid) { excluded_[reason].push_back(pid); }

  // Since the last call; the first of many.
  std::vector<std::string> take_untold() { return std::exchange(untold_, {}); }
  // For the header's `tools`: the first problem, else "ok" where something has run.
  [[nodiscard]] std::string state(bool has_run) const {
    return !first_problem_.empty() ? first_problem_ : has_run ? "ok" : "";
  }
  // "py-spy: 2 processes left out (12, 13): embedded Python", one for each reason.
  [[nodiscard]] std::vector<std::string> excluded() const;

 private:
  std::string tool_;
  std::vector<std::string> untold_;
  std::size_t problem_count_ = 0;
  std::string first_problem_;
  bool has_told_rate_ = false;
  std::map<std::string, std::vector<pid_t>> excluded_;  // by reason
};

}  // namespace waggle
