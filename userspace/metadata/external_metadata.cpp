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

}  // namespace

ExternalMetadata parse_external_metadata(std::string_view text) {
  const auto object = ordered_json::parse(text, nullptr, false);
  if (!object.is_object()) {
    return {.problem = "it is no JSON object"};
  }
  const auto of_host = object.find("static");
  if (of_host == object.end()) {
    return {};
  }
  if (!of_host->is_object()) {
    return {.problem = R"("static" is no object)"};
  }
  return {.of_host = of_host->dump(-1, ' ', false, ordered_json::error_handler_t::replace),
          .problem = {}};
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
