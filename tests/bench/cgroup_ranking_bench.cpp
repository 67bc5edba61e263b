// SPDX-License-Identifier: Apache-2.0
// What one cycle of `--perf-use-cgroups` costs: cgroup_ranking_bench [CGROUPS] [PROCESSES]
// [CYCLES]. Makes cgroups in v1's cpuacct (or v2) with idle processes in them; CPU time of this
// process for a cycle: median and largest.  All are idle, so memory decides, which is the dearest
// case.
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/file.h"
#include "userspace/select/cgroup_ranking.h"

namespace waggle {
namespace {

double cpu_ms() {
  timespec time{};
  CHECK(::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

void write_pid(const std::string& cgroup, pid_t pid) {
  const UniqueFd procs = open_file(cgroup + "/cgroup.procs", O_WRONLY).value();
  CHECK(write_all(procs.get(), std::to_string(pid)));
}

// Cgroups and processes, until its end.
class Crowd {
 public:
  Crowd(const std::string& mount, int cgroups, int processes)
      : mount_(mount), parent_(mount + "/waggle_bench") {
    CHECK(::mkdir(parent_.c_str(), 0755) == 0);
    for (int i = 0; i < cgroups; ++i) {
      cgroups_.push_back(fmt::format("{}/docker-{:064x}.scope", parent_, i));
      CHECK(::mkdir(cgroups_.back().c_str(), 0755) == 0);
    }
    for (int i = 0; i < processes; ++i) {
      const pid_t pid = ::fork();
      CHECK(pid >= 0);
      if (pid == 0) {
        ::pause();
        ::_exit(0);
      }
      pids_.push_back(pid);
      write_pid(cgroups_[static_cast<std::size_t>(i) % cgroups_.size()], pid);
    }
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;
  ~Crowd() {
    for (const pid_t pid : pids_) {
      (void)::kill(pid, SIGKILL);
      (void)::waitpid(pid, nullptr, 0);
    }
    for (const std::string& cgroup : cgroups_) {
      (void)::rmdir(cgroup.c_str());
    }
    (void)::rmdir(parent_.c_str());
  }

 private:
  std::string mount_;
  std::string parent_;
  std::vector<std::string> cgroups_;
  std::vector<pid_t> pids_;
};

void run(int cgroups, int processes, int cycles) {
  const auto hierarchies = find_cgroup_hierarchies().value();
  for (const CgroupHierarchy& hierarchy : hierarchies) {
    const bool is_v2 = hierarchy.number == SEL_V2;
    if (!is_v2 && hierarchy.name.find("cpuacct") == std::string::npos) {
      continue;
    }
    const Crowd crowd(hierarchy.directory, cgroups, processes);
    CgroupRanking ranking({});
    CHECK(ranking.begin(hierarchies));
    std::vector<double> costs_ms;
    std::size_t candidates = 0;
    for (int i = 0; i < cycles; ++i) {
      const double before_ms = cpu_ms();
      candidates = ranking.refresh(hierarchies, {}).value().others.candidates;
      costs_ms.push_back(cpu_ms() - before_ms);
    }
    std::ranges::sort(costs_ms);
    fmt::print("{}: {} cgroups with {} processes: {:.1f} ms CPU a cycle, {:.1f} at most of {}\n",
               hierarchy.name, candidates, processes, costs_ms[costs_ms.size() / 2],
               costs_ms.back(), cycles);
  }
}

}  // namespace
}  // namespace waggle

int main(int argc, char** argv) {
  const auto number = [&](int index, int usual) {
    return argc > index ? std::max(1, std::atoi(argv[index])) : usual;
  };
  waggle::run(number(1, 1000), number(2, 500), number(3, 20));
  return 0;
}
