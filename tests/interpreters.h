// SPDX-License-Identifier: Apache-2.0
// The Python interpreters of this machine, for tests that say what each must show.  Found: those of
// the system, of pyenv, and of the roots that tests/e2e/python/fetch_sid.py and fetch_musl.py keep.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "tests/temp_dir.h"

namespace waggle {

struct Interpreter {
  std::string program;  // as this process sees it
  std::string root;     // that it is started in; "" for ours
  // Programs of tests/programs/python that cannot run there: it has not the libraries.
  std::vector<std::string> lacks = {};

  [[nodiscard]] bool can_run(const std::string& name) const {
    return std::ranges::count(lacks, name) == 0;
  }
};

inline std::string home_directory() {
  const char* home = std::getenv("HOME");
  return home == nullptr ? "/root" : home;
}

inline std::string test_cache() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  return (cache == nullptr || *cache == '\0' ? home_directory() + "/.cache" : std::string(cache)) +
         "/waggle-test";
}
inline std::string sid_root() {
  return test_cache() + "/python-sid";
}
inline std::string musl_root() {
  return test_cache() + "/python-musl";
}

// All of a version: "2.7", "3.11", "3.13t".
inline std::vector<Interpreter> find_interpreters(const std::string& version) {
  std::vector<Interpreter> found;
  std::error_code ignored;
  const auto add = [&](const std::string& program, const std::string& root,
                       const std::vector<std::string>& lacks = {}) {
    if (std::filesystem::exists(program, ignored)) {
      found.push_back({program, root, lacks});
    }
  };
  add("/usr/bin/python" + version, "");
  add(sid_root() + "/usr/bin/python" + version, sid_root());
  // Without libffi and zlib.
  add(musl_root() + "/usr/bin/python" + version, musl_root(), {"callback_ctypes", "released"});
  const char* pyenv = std::getenv("PYENV_ROOT");
  for (const std::string& root : {pyenv == nullptr ? std::string() : std::string(pyenv),
                                  home_directory() + "/.pyenv", std::string("/usr/local/pyenv")}) {
    if (root.empty()) {
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(root + "/versions", ignored)) {
      add(entry.path().string() + "/bin/python" + version, "");
    }
    if (pyenv != nullptr && root == pyenv) {
      break;  // the others may be the same by another name
    }
  }
  return found;
}

// A script where the interpreter can see it, and the command that runs it.
class Script {
 public:
  Script(const Interpreter& interpreter, const std::string& source, const std::string& argument)
      : interpreter_(interpreter), argument_(argument) {
    if (interpreter.root.empty()) {
      path_ = source;
      return;
    }
    folder_ = interpreter.root + "/tmp/waggle-test-XXXXXX";
    CHECK(::mkdtemp(folder_.data()) != nullptr);
    const std::string copy = folder_ + "/" + std::filesystem::path(source).filename().string();
    std::filesystem::copy_file(source, copy);
    path_ = copy.substr(interpreter.root.size());
  }
  Script(const Script&) = delete;
  Script& operator=(const Script&) = delete;
  ~Script() {
    std::error_code ignored;
    if (!folder_.empty()) {
      std::filesystem::remove_all(folder_, ignored);
    }
  }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::vector<std::string> command() const {
    const std::string program = interpreter_.program.substr(interpreter_.root.size());
    std::vector<std::string> words = {program, "-B", path_, argument_};
    if (!interpreter_.root.empty()) {
      words.insert(words.begin(), {"chroot", interpreter_.root});
    }
    return words;
  }

 private:
  Interpreter interpreter_;
  std::string argument_;
  std::string folder_;
  std::string path_;
};

// Of a test that takes a version: "3_11".
inline std::string version_name(const testing::TestParamInfo<const char*>& parameter) {
  std::string name = parameter.param;
  std::ranges::replace(name, '.', '_');
  return name;
}

}  // namespace waggle
