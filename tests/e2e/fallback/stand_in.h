// SPDX-License-Identifier: Apache-2.0
// Tools that misbehave: shell scripts that stand in the place of the real ones, for what a test
// says.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>

#include "base/file.h"
#include "base/text.h"
#include "tests/process_facts.h"
#include "tests/temp_dir.h"

namespace waggle {

// Of what a script has written to the file: the pid of each process it started, itself included.
inline void expect_nothing_runs_of(const std::string& pids_path) {
  const std::string pids = read_file(pids_path, 65536).value_or("");
  int count = 0;
  for (const std::string_view line : split(pids, '\n')) {
    if (const auto pid = parse_number<pid_t>(line)) {
      ++count;
      for (int i = 0; i < 100 && is_running(*pid); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));  // an orphan's new parent
      }
      EXPECT_FALSE(is_running(*pid)) << *pid;
    }
  }
  EXPECT_GT(count, 0);
}

// A perf.
class StandIn {
 public:
  // Lines of shell: instead of `perf record` and `perf script`.  $N counts the calls of that kind:
  // the first is the trial.  "$PERF" "$@" is the real one.  $EVENT, of a script: as the data that
  // it is to read calls its events.
  struct Behaviour {
    std::string version = "exec $PERF \"$@\"";
    std::string record = "exec $PERF \"$@\"";
    std::string script = "exec $PERF \"$@\"";
  };

  explicit StandIn(const Behaviour& behaviour) {
    std::ofstream(path()) << "#!/bin/sh\nPERF=/usr/bin/perf\nDIR=" << dir_.path()
                          << "\necho $$ >>$DIR/pids\n"
                          << "echo x >>$DIR/$1; N=$(wc -l <$DIR/$1)\ncase $1 in\n--version)\n"
                          << behaviour.version << "\n;;\nrecord)\n"
                          << behaviour.record << "\n;;\nscript)\n"
                          << "EVENT=$(grep -ao 'waggle[0-9a-f]\\{32\\}' | head -n 1)\n"
                          << behaviour.script << "\n;;\nesac\n";
    std::filesystem::permissions(path(), std::filesystem::perms::owner_all);
  }

  [[nodiscard]] std::string path() const { return dir_.path() + "/perf"; }
  // Since the last `perf record` began.
  [[nodiscard]] std::chrono::duration<double> since_record() const {
    std::error_code none;  // it never did
    const auto began = std::filesystem::last_write_time(dir_.path() + "/record", none);
    return none ? std::chrono::duration<double>(0)
                : std::filesystem::file_time_type::clock::now() - began;
  }
  // What its lines wrote to $DIR/NAME.
  [[nodiscard]] std::string read(const std::string& name) const {
    return read_file(dir_.path() + "/" + name, 65536).value_or("");
  }
  // How often it was called as `perf record` or `perf script`.
  [[nodiscard]] std::size_t calls_of(const std::string& verb) const {
    return read(verb).size() / 2;  // "x\n" each
  }
  // Of each call, a line each; a script can write those of what it starts to $DIR/pids too.
  [[nodiscard]] std::string pids() const { return read_file(dir_.path() + "/pids", 65536).value(); }
  void expect_nothing_runs() const { expect_nothing_runs_of(dir_.path() + "/pids"); }

 private:
  TempDir dir_;
};

// A tool that is run on one process.
class ToolStandIn {
 public:
  // Lines of shell: instead of a recording.  $TARGET is the process, $OUTPUT where the stacks
  // should go; what it starts it can write to $DIR/pids.
  ToolStandIn(std::string name, const std::string& behaviour) : name_(std::move(name)) {
    std::ofstream(path())
        << "#!/bin/sh\nDIR=" << dir_.path() << "\necho $$ >>$DIR/pids\n"
        << "for WORD in \"$@\"; do\ncase $BEFORE in\n--pid | --process-id) TARGET=$WORD ;;\n"
        << "--output | --file) OUTPUT=$WORD ;;\nesac\nBEFORE=$WORD\ndone\n"
        << "echo $TARGET >>$DIR/targets\n"
        << behaviour << "\n";
    std::filesystem::permissions(path(), std::filesystem::perms::owner_all);
  }

  [[nodiscard]] std::string path() const { return dir_.path() + "/" + name_; }
  // What its lines wrote to $DIR/NAME.
  [[nodiscard]] std::string read(const std::string& name) const {
    return read_file(dir_.path() + "/" + name, 65536).value_or("");
  }
  // Makes that file, which its lines may wait for.
  void write(const std::string& name) const { std::ofstream(dir_.path() + "/" + name).flush(); }
  // The processes it was started for, a line each.
  [[nodiscard]] std::string targets() const { return read("targets"); }
  void expect_nothing_runs() const { expect_nothing_runs_of(dir_.path() + "/pids"); }

 private:
  std::string name_;
  TempDir dir_;
};

class PySpyStandIn : public ToolStandIn {
 public:
  explicit PySpyStandIn(const std::string& behaviour) : ToolStandIn("py-spy", behaviour) {}
};

}  // namespace waggle
