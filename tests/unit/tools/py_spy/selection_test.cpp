// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/py_spy/selection.h"

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

namespace waggle {

std::ostream& operator<<(std::ostream& out, PySpyVerdict verdict) {
  return out << py_spy_verdict_text(verdict);
}

namespace {

PySpyVerdict judge(const std::string& program, const std::string& command_line,
                   const std::vector<std::string>& mapped = {}) {
  return judge_for_py_spy({.program = program, .command_line = command_line, .mapped = mapped});
}

TEST(PySpySelection, takes_interpreters) {
  for (const std::string program :
       {"/usr/bin/python3.11", "/opt/python/3.8.18/bin/python3.8", "/opt/Python",
        "/usr/bin/python3 (deleted)", "/usr/local/bin/uwsgi", "/venv/bin/gunicorn",
        "/venv/bin/uvicorn"}) {
    EXPECT_EQ(judge(program, "app", {program, "/usr/lib/libpython3.11.so.1.0"}), PySpyVerdict::take)
        << program;
  }
}

TEST(PySpySelection, takes_programs_that_are_told_to_run_python) {
  const std::vector<std::string> mapped = {"/opt/shmython", "/usr/lib/libpython3.9.so.1.0"};
  for (const std::string line : {"/opt/python-3/shmython app.py", "python -m http.server",
                                 "python3  -c  pass", "env python3 -u -m\tapp"}) {
    EXPECT_EQ(judge("/opt/shmython", line, mapped), PySpyVerdict::take) << line;
  }
  for (const std::string line : {"shmython app.py", "shmython", "python -mhttp", "python -m",
                                 "python -m -x", "app.py of python"}) {
    EXPECT_EQ(judge("/opt/other", line, {"/opt/other", "/usr/lib/libpython3.9.so.1.0"}),
              PySpyVerdict::embedded)
        << line;
  }
}

TEST(PySpySelection, takes_what_maps_the_interpreter_of_the_system) {
  EXPECT_EQ(
      judge("/opt/app", "app", {"/opt/app", "/usr/lib/libpython3.9.so.1.0", "/usr/bin/python3.9"}),
      PySpyVerdict::take);
  EXPECT_EQ(judge("/opt/app", "app", {"/opt/app"}), PySpyVerdict::take)
      << "a static one, under another name";
}

TEST(PySpySelection, leaves_embedded_pythons_out) {
  for (const std::string path :
       {"/srv/x/app.runfiles/runfiles/python3_11_x86/lib/a.so", "/tmp/Bazel/runfiles/x/PYTHON.so",
        "/usr/lib/libx.so.1.0 (deleted)", "/opt/embedded_python/bin/x", "/opt/Embedded-Python/x",
        "/opt/x.so/python/embedded", "/app/x/python3/bin/python3",
        "/opt/lib/libpython3.11.so.1.0"}) {
    EXPECT_EQ(judge("/opt/app", "app", {"/opt/app", path}), PySpyVerdict::embedded) << path;
  }
  for (const std::string path : {"/x/runfiles/python_x", "/x/runfiles/python3", "/opt/x.so.1.0",
                                 "/opt/python/embedded", "/opt/embedded_python"}) {
    EXPECT_EQ(judge("/opt/app", "app", {"/opt/app", path}), PySpyVerdict::take) << path;
  }
}

TEST(PySpySelection, leaves_pypy_and_services_of_the_system_out) {
  EXPECT_EQ(judge("/usr/bin/pypy3", "pypy3 app.py"), PySpyVerdict::pypy);
  for (const std::string line :
       {"/usr/bin/python3 /usr/bin/networkd-dispatcher --run-startup-triggers",
        "/usr/bin/python3 /usr/share/unattended-upgrades/unattended-upgrade-shutdown",
        "/usr/bin/python3 /usr/bin/supervisord -n", "/usr/bin/python3 -Es /usr/sbin/tuned -l"}) {
    EXPECT_EQ(judge("/usr/bin/python3.11", line), PySpyVerdict::service) << line;
  }
}

}  // namespace
}  // namespace waggle
