// SPDX-License-Identifier: Apache-2.0
#include "userspace/output/session_files.h"

#include <fmt/chrono.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "base/file.h"

namespace waggle {

namespace {

constexpr std::string_view kPrefix = "profile_";
constexpr int kMaxSameSecond = 1000;

// What the link points to now: a name of ours in the same directory, or "".
std::string linked_name(const std::string& link) {
  std::error_code none;
  const std::string target = std::filesystem::read_symlink(link, none).string();
  const bool is_ours = target.starts_with(kPrefix) && target.find('/') == std::string::npos;
  return is_ours ? target : "";
}

// Readers find the old target or the new one.
Result<> point(const SessionFiles& files, std::string_view link_name, const std::string& target) {
  const std::string link = fmt::format("{}/{}", files.directory, link_name);
  const std::string before = linked_name(link);
  const std::string temporary = link + ".tmp";
  (void)::unlink(temporary.c_str());  // of an agent that was killed
  if (::symlink(target.c_str(), temporary.c_str()) != 0) {
    return fail_errno(temporary, errno);
  }
  if (::rename(temporary.c_str(), link.c_str()) != 0) {
    return fail_errno(link, errno);
  }
  if (files.is_rotating && !before.empty() && before != target) {
    (void)::unlink(fmt::format("{}/{}", files.directory, before).c_str());  // it may be gone
  }
  return {};
}

std::string free_name(const std::string& directory, std::chrono::system_clock::time_point end) {
  const std::string name = session_name(end);
  std::string free = name;
  for (int i = 2; i < kMaxSameSecond; ++i) {
    if (::access(fmt::format("{}/{}.col", directory, free).c_str(), F_OK) != 0) {
      break;
    }
    free = fmt::format("{}_{}", name, i);
  }
  return free;
}

}  // namespace

std::string session_name(std::chrono::system_clock::time_point end) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(end);
  return fmt::format("{}{:%Y-%m-%dT%H:%M:%S}", kPrefix,
                     fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)));
}

Result<std::vector<std::string>> write_session(const SessionFiles& files,
                                               std::chrono::system_clock::time_point end,
                                               std::string_view collapsed,
                                               const std::optional<std::string>& page) {
  TRY(make_directories(files.directory));
  const std::string name = free_name(files.directory, end);
  std::vector<std::string> written;
  const auto write = [&](std::string_view ending, std::string_view link,
                         std::string_view text) -> Result<> {
    const std::string file = fmt::format("{}.{}", name, ending);
    const std::string path = fmt::format("{}/{}", files.directory, file);
    TRY(write_file_atomically(path, text));
    written.push_back(path);
    return point(files, link, file);
  };
  TRY(write("col", "last_profile.col", collapsed));
  if (page) {
    TRY(write("html", "last_flamegraph.html", *page));
  }
  return written;
}

Result<> make_directories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error && !std::filesystem::is_directory(path)) {
    return fail_errno(path, error.value());
  }
  return {};
}

}  // namespace waggle
