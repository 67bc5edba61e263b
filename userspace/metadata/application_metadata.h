// SPDX-License-Identifier: Apache-2.0
// What a profile says of one program: its file, its runtime's version, its application's id.  Read
// of /proc and of the files that it maps, which are looked at and never run.  For when and how
// often: application_reader.h.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "userspace/metadata/application_files.h"
#include "userspace/metadata/application_id.h"
#include "userspace/process/application.h"

namespace waggle {

// By pid: JSON objects that others tell of processes.
using ToldApplications = std::map<std::uint32_t, std::string>;

struct ApplicationWishes {
  bool has_metadata = true;
  bool has_ids = true;
  ArgumentFilters java_arguments;  // that an id of Java shows
  bool wants_spark = false;
  bool has_jvm_flags = true;
  std::vector<std::string> jvm_flags = {};  // these alone; empty: all that a command line has
};

// Nothing of a process that is gone, or is another one by now.  `files`: of all processes.
std::optional<ApplicationFacts> read_application(const Application& application,
                                                 const ApplicationWishes& wishes,
                                                 const ToldApplications& told,
                                                 ApplicationFiles& files);

// "Python 3.11", as the path of a mapped file tells; "" where it does not.
std::string python_of_path(std::string_view path);
// The value of `key` in the text of a JDK's file `release`; "" for none.
std::string value_in_release(std::string_view text, std::string_view key);

}  // namespace waggle
