// SPDX-License-Identifier: Apache-2.0
#include "userspace/metadata/external_metadata.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <time.h>

#include <cerrno>

#include "base/file.h"
#include "base/text.h"

namespace waggle {

namespace {

using nlohmann::ordered_json;

constexpr std::size_t kMaxBytes = std::size_t{1} << 20;
constexpr time_t kMaxAgeSeconds = 300;

// Keys that are no pid are left out.
std::map<std::uint32_t, std::string> processes_in(const ordered_json& object) {
  std::map<std::uint32_t, std::string> processes;
  for (const auto& [key, value] : object.items()) {
    const auto pid = parse_number<std::uint32_t>(key);
    if (pid && value.is_object()) {
      processes[*pid] = value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
    }
  }
  return processes;
}

}  // namespace

ExternalMetadata parse_external_metadata(std::string_view text) {
  const auto object = ordered_json::parse(text, nullptr, false);
  if (!object.is_object()) {
    return {.problem = "it is no JSON object"};
  }
  ExternalMetadata found;
  if (const auto of_host = object.find("static"); of_host != object.end()) {
    if (!of_host->is_object()) {
      return {.problem = R"("static" is no object)"};
    }
    found.of_host = of_host->dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  }
  if (const auto processes = object.find("application"); processes != object.end()) {
    if (!processes->is_object()) {
      return {.problem = R"("application" is no object)"};
    }
    found.of_processes = processes_in(*processes);
  }
  return found;
}

Result<ExternalMetadata> read_external_metadata(const std::string& path) {
  // A FIFO would block the opening.
  const UniqueFd file = TRY(open_file(path, O_RDONLY | O_NONBLOCK));
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) {
    return fail_errno(path, errno);
  }
  if (!S_ISREG(status.st_mode)) {
    return fail(Errc::malformed, fmt::format("{} is no regular file", printable(path)));
  }
  const time_t age_seconds = ::time(nullptr) - status.st_mtim.tv_sec;
  if (age_seconds > kMaxAgeSeconds) {
    return fail(Errc::malformed, fmt::format("{} was last written {} seconds ago, more than {}: "
                                             "whoever writes it must have stopped",
                                             printable(path), age_seconds, kMaxAgeSeconds));
  }
  return parse_external_metadata(TRY(read_all(file.get(), kMaxBytes)));
}

}  // namespace waggle
