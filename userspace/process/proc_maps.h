// SPDX-License-Identifier: Apache-2.0
// The text of /proc/PID/maps (proc_pid_maps(5)).  Not for what becomes of it (mapping_history.h).
//
// Reality: paths are those of other users.  The kernel writes a newline as \012 and escapes nothing
// else, so a name that holds a backslash and digits is ambiguous; so is a name that ends in
// " (deleted)".  Hence a path is for people: device and inode tell which file it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace waggle {

struct MapsEntry {
  std::uint64_t start, end;
  std::uint64_t file_offset;
  std::uint32_t device_major, device_minor;
  std::uint64_t inode;       // 0: no file
  std::uint32_t protection;  // PROT_*
  bool is_shared;
  bool has_deleted_suffix;  // cut off from path
  std::string_view path;    // "" or "[heap]" and the like when no file; valid during the call
};

enum class MapsFilter { executable, all };

struct MapsSummary {
  std::size_t entry_count = 0;      // that passed the filter
  std::size_t malformed_count = 0;  // lines left out
  bool is_cut = false;              // kMaxMapsEntries was reached
};

constexpr std::size_t kMaxMapsEntries = 262'144;           // vm.max_map_count is 65,530 by default
constexpr std::size_t kMaxMapsLineBytes = 4 * 4096 + 256;  // PATH_MAX of escaped newlines

using MapsCallback = std::function<void(const MapsEntry&)>;

// Takes the text in pieces of any size; entries come in the order of the text.
class MapsParser {
 public:
  MapsParser(MapsFilter filter, MapsCallback callback)
      : filter_(filter), callback_(std::move(callback)) {}

  void feed(std::string_view piece);
  MapsSummary finish();

 private:
  void take_line(std::string_view line);

  MapsFilter filter_;
  MapsCallback callback_;
  std::string line_;  // begun in an earlier piece
  std::string path_;  // unescaped
  bool is_overlong_ = false;
  MapsSummary summary_;
};

MapsSummary parse_maps(std::string_view text, MapsFilter filter, const MapsCallback& callback);

// From an open /proc/PID/maps, 64 KiB at a time.  A process that exits meanwhile ends the text.
Result<MapsSummary> read_maps(int fd, MapsFilter filter, const MapsCallback& callback);

// Without " (deleted)" at its end.
std::string_view without_deleted_suffix(std::string_view path);

}  // namespace waggle
