// SPDX-License-Identifier: Apache-2.0
// async-profiler's library inside the root of a JVM, and the files that the JVM writes there: a
// private directory that the JVM's user may use, gone afterwards.
//
// A library that was loaded stays loaded, under the name it was loaded by; a second copy would be a
// second profiler.  So a JVM that has one of ours gets it again under that name.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "userspace/tools/async_profiler/jvm.h"

namespace waggle {

// Whether a loaded library's path is one that we made.
bool is_placed_by_us(const std::string& path);

// A file that the JVM may write; read it here.
struct PlacedFile {
  std::string path;  // as the JVM sees it
  UniqueFd fd;
};

// One thread.  Destruction removes all of it, wherever its name leads by then.
class LibraryPlace {
 public:
  // Copies `library` into the first directory of the JVM's root that fits.  Errc::exhausted:
  // another waggle profiles this JVM.  Other errors tell why no directory fits.
  static Result<LibraryPlace> make(const Jvm& jvm, const std::string& library);
  LibraryPlace(const LibraryPlace&) = delete;
  LibraryPlace& operator=(const LibraryPlace&) = delete;
  LibraryPlace(LibraryPlace&& other) noexcept = default;
  LibraryPlace& operator=(LibraryPlace&&) = delete;
  ~LibraryPlace() { remove(); }

  // As the JVM sees it.
  [[nodiscard]] std::string library() const;
  // A new, empty one.
  Result<PlacedFile> make_file(const std::string& name);

 private:
  LibraryPlace() = default;
  static Result<LibraryPlace> make_below(const Jvm& jvm, int root, const std::string& parent,
                                         const std::string& name);
  Result<> fill(const std::string& library);
  void remove();

  uid_t uid_ = 0;  // the JVM's
  gid_t gid_ = 0;
  UniqueFd parent_;
  UniqueFd directory_;
  std::string path_;  // as the JVM sees it
  std::vector<std::string> files_;
};

}  // namespace waggle
