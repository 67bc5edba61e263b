// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/proc_maps.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <vector>

#include "base/text.h"

namespace waggle {

namespace {

constexpr std::string_view kDeletedSuffix = " (deleted)";
constexpr std::size_t kReadBytes = 65536;

// Cuts the text up to `separator` off the front of `rest`; all of it when there is none.
std::string_view cut_field(std::string_view& rest, char separator) {
  const std::size_t at = rest.find(separator);
  const std::string_view field = rest.substr(0, at);
  rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + 1);
  return field;
}

std::uint32_t protection_of(std::string_view permissions) {
  std::uint32_t protection = 0;
  protection |= permissions[0] == 'r' ? PROT_READ : 0;
  protection |= permissions[1] == 'w' ? PROT_WRITE : 0;
  protection |= permissions[2] == 'x' ? PROT_EXEC : 0;
  return protection;
}

// "start-end perms offset major:minor inode   path"; the path stays escaped.
std::optional<MapsEntry> parse_line(std::string_view line) {
  const auto start = parse_number<std::uint64_t>(cut_field(line, '-'), 16);
  const auto end = parse_number<std::uint64_t>(cut_field(line, ' '), 16);
  const std::string_view permissions = cut_field(line, ' ');
  const auto file_offset = parse_number<std::uint64_t>(cut_field(line, ' '), 16);
  const auto device_major = parse_number<std::uint32_t>(cut_field(line, ':'), 16);
  const auto device_minor = parse_number<std::uint32_t>(cut_field(line, ' '), 16);
  const auto inode = parse_number<std::uint64_t>(cut_field(line, ' '));
  if (!start || !end || *start >= *end || permissions.size() != 4 || !file_offset ||
      !device_major || !device_minor || !inode) {
    return std::nullopt;
  }
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  MapsEntry entry{};
  entry.start = *start;
  entry.end = *end;
  entry.file_offset = *file_offset;
  entry.device_major = *device_major;
  entry.device_minor = *device_minor;
  entry.inode = *inode;
  entry.protection = protection_of(permissions);
  entry.is_shared = permissions[3] == 's';
  entry.path = without_deleted_suffix(line);
  entry.has_deleted_suffix = entry.path.size() != line.size();
  return entry;
}

void unescape_newlines(std::string_view escaped, std::string& path) {
  constexpr std::string_view kNewline = "\\012";
  path.clear();
  for (std::size_t at = escaped.find(kNewline); at != std::string_view::npos;
       at = escaped.find(kNewline)) {
    path.append(escaped.substr(0, at)).push_back('\n');
    escaped.remove_prefix(at + kNewline.size());
  }
  path.append(escaped);
}

}  // namespace

std::string_view without_deleted_suffix(std::string_view path) {
  if (path.ends_with(kDeletedSuffix)) {
    path.remove_suffix(kDeletedSuffix.size());
  }
  return path;
}

void MapsParser::feed(std::string_view piece) {
  while (!piece.empty()) {
    const std::size_t newline = piece.find('\n');
    const std::string_view part = piece.substr(0, newline);
    is_overlong_ = is_overlong_ || line_.size() + part.size() > kMaxMapsLineBytes;
    if (newline == std::string_view::npos) {
      line_.append(is_overlong_ ? std::string_view() : part);
      return;
    }
    if (is_overlong_) {
      ++summary_.malformed_count;
    } else if (line_.empty()) {
      take_line(part);
    } else {
      take_line(line_.append(part));
    }
    line_.clear();
    is_overlong_ = false;
    piece.remove_prefix(newline + 1);
  }
}

MapsSummary MapsParser::finish() {
  if (!line_.empty() || is_overlong_) {
    ++summary_.malformed_count;  // every line of the kernel's ends in a newline
  }
  return summary_;
}

void MapsParser::take_line(std::string_view line) {
  auto entry = parse_line(line);
  if (!entry) {
    ++summary_.malformed_count;
    return;
  }
  if (filter_ == MapsFilter::executable && (entry->protection & PROT_EXEC) == 0) {
    return;
  }
  if (summary_.entry_count == kMaxMapsEntries) {
    summary_.is_cut = true;
    return;
  }
  ++summary_.entry_count;
  if (entry->path.find('\\') != std::string_view::npos) {
    unescape_newlines(entry->path, path_);
    entry->path = path_;
  }
  callback_(*entry);
}

MapsSummary parse_maps(std::string_view text, MapsFilter filter, const MapsCallback& callback) {
  MapsParser parser(filter, callback);
  parser.feed(text);
  return parser.finish();
}

Result<MapsSummary> read_maps(int fd, MapsFilter filter, const MapsCallback& callback) {
  MapsParser parser(filter, callback);
  std::vector<char> buffer(kReadBytes);
  for (;;) {
    const ssize_t size = ::read(fd, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) {
      continue;
    }
    if (size < 0 && errno != ESRCH) {
      return fail_errno("read maps", errno);
    }
    if (size <= 0) {
      return parser.finish();
    }
    parser.feed({buffer.data(), static_cast<std::size_t>(size)});
  }
}

}  // namespace waggle
