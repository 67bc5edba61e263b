// SPDX-License-Identifier: Apache-2.0
// What tests about processes and descriptors ask the host.
#pragma once

#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "base/text.h"

namespace waggle {

// The open descriptors of a process, ours as a rule, and what they are.
inline std::map<std::string, std::string> open_descriptors(pid_t pid = ::getpid()) {
  std::map<std::string, std::string> descriptors;
  std::error_code ended;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd", ended)) {
    std::error_code gone;  // the listing's own
    const auto target = std::filesystem::read_symlink(entry.path(), gone);
    if (!gone && !target.string().starts_with("/proc/")) {
      descriptors[entry.path().filename()] = target;
    }
  }
  return descriptors;
}

// 'S', 'Z', ... of proc_pid_stat(5); '\0' when there is no such process.
inline char process_state(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(stat, text);
  const std::size_t end_of_name = text.rfind(')');
  return end_of_name == std::string::npos ? '\0' : text[end_of_name + 2];
}

inline bool is_running(pid_t pid) {
  const char state = process_state(pid);
  return state != '\0' && state != 'Z' && state != 'X';
}

// Children of ours that ended and were not waited for.
inline int zombie_count() {
  int zombies = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const auto pid = parse_number<pid_t>(entry.path().filename().string());
    if (!pid || process_state(*pid) != 'Z') {
      continue;
    }
    std::ifstream stat(entry.path() / "stat");
    std::string text;
    std::getline(stat, text);
    const auto fields = text.rfind(')') + 4;  // ") Z "
    zombies += std::stoi(text.substr(fields)) == ::getpid() ? 1 : 0;
  }
  return zombies;
}

}  // namespace waggle
