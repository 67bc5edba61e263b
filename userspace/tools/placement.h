// SPDX-License-Identifier: Apache-2.0
// A library of a profiler inside the root of the process that loads it, and the files that the
// process writes there: a private directory that its user may use, gone afterwards.
//
// A library that was loaded stays loaded, under the name it was loaded by; a second copy would be a
// second profiler.  So a process that has one of ours gets it again under that name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "userspace/tools/target_process.h"

namespace waggle {

// Whether the path of a loaded library, or of another file that is called `name`, is one that we
// made.
bool is_placed_by_us(std::string_view path, std::string_view name);

// A file that the process may write; read it here.
struct PlacedFile {
  std::string path;  // as the process sees it
  UniqueFd fd;
};

// One thread.  Destruction removes all of it, wherever its name leads by then.
class LibraryPlace {
 public:
  // Copies `library` as `name` into the first directory of the process' root that fits.  `loaded`:
  // the path, as the process sees it, by which it has loaded one; "": it has none.
  // Errc::exhausted: another waggle profiles this process.  Other errors tell why no directory
  // fits.
  static Result<LibraryPlace> make(const TargetProcess& process, const std::string& library,
                                   std::string_view name, std::string_view loaded);
  LibraryPlace(const LibraryPlace&) = delete;
  LibraryPlace& operator=(const LibraryPlace&) = delete;
  LibraryPlace(LibraryPlace&& other) noexcept = default;
  LibraryPlace& operator=(LibraryPlace&&) = delete;
  ~LibraryPlace() { remove(); }

  // As the process sees them.
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string library() const;
  // A new, empty one.
  Result<PlacedFile> make_file(const std::string& name);
  // The directory's time: that its maker lives.
  void touch() const;

 private:
  explicit LibraryPlace(std::string_view name) : library_(name) {}
  static Result<LibraryPlace> make_below(const TargetProcess& process, std::string_view library,
                                         const std::string& parent, const std::string& name);
  Result<> fill(const std::string& library);
  void remove();

  std::string library_;  // what the copy is called
  uid_t uid_ = 0;        // the process'
  gid_t gid_ = 0;
  UniqueFd parent_;
  UniqueFd directory_;
  std::string path_;  // as the process sees it
  std::vector<std::string> files_;
};

}  // namespace waggle
