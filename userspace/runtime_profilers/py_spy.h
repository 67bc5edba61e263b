// SPDX-License-Identifier: Apache-2.0
// py-spy, for processes with a Python.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/unique_fd.h"
#include "userspace/process/proc_fs.h"
#include "userspace/profile/profile.h"
#include "userspace/runtime_profilers/process_tool.h"
#include "userspace/runtimes/python/packages.h"
#include "userspace/runtimes/python/python_process.h"
#include "userspace/tools/py_spy/command.h"
#include "userspace/tools/py_spy/output_parser.h"

namespace waggle {

class PySpy final : public ProcessTool {
 public:
  // "" where it is not known.
  using ThreadName = std::function<std::string(pid_t pid, pid_t tid)>;

  // `has_versions`: frames tell the package that their file is of.
  PySpy(PySpyOptions options, bool has_versions, ThreadName thread_name)
      : options_(options), has_versions_(has_versions), thread_name_(std::move(thread_name)) {}

  [[nodiscard]] std::string_view name() const override { return "py-spy"; }
  [[nodiscard]] std::string_view gives() const override { return "the functions of Python"; }
  [[nodiscard]] int rate_hz() const override { return py_spy_rate(options_.frequency_hz); }
  [[nodiscard]] int asked_hz() const override { return options_.frequency_hz; }
  [[nodiscard]] bool has_runtime(pid_t pid) override;
  [[nodiscard]] std::string why_not(pid_t pid) override;
  [[nodiscard]] bool leaves_young() const override { return true; }
  ToolCall call(const std::string& program, pid_t target, const std::string& directory) override;
  Result<std::uint64_t> read_stacks(UniqueFd file, pid_t target, Profile& stacks) override;

 private:
  // What is wanted of a process when it may be gone.
  struct Target {
    std::uint32_t version = 0;                                 // 0: not known
    UniqueFd root;                                             // closed: it could not be opened
    std::map<std::string, std::string, std::less<>> packages;  // by file
  };

  void add(const PySpyStack& stack, pid_t target, Profile& to);
  std::string find_package(const Target& target, std::string_view file);
  std::string package_of(std::string_view file, pid_t target);

  PySpyOptions options_;
  bool has_versions_;
  ThreadName thread_name_;
  ProcFs proc_;
  PythonFiles files_;
  PythonPackages packages_;
  std::map<pid_t, Target> targets_;
};

}  // namespace waggle
