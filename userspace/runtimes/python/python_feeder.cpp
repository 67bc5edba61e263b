// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtimes/python/python_feeder.h"

#include <bpf/bpf.h>
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "userspace/runtimes/python/layout.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxFiles = 16384;
constexpr int kMaxLooks = 30;  // a second apart
constexpr int kWarnAfter = 3;  // of them that fail

template <class T>
bool is_same(const T& a, const T& b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0;  // none has padding: see the assertions of the ABI
}

// All but what the caller fills in and what a proof teaches.
bool has_same_place(const py_process& a, const py_process& b) {
  return a.interpreters_address == b.interpreters_address && a.loop_count == b.loop_count &&
         std::memcmp(a.loops, b.loops, sizeof(a.loops)) == 0 && is_same(a.entry, b.entry);
}

}  // namespace

Result<PythonFeeder> PythonFeeder::start(int processes_map, int layouts_map,
                                         std::size_t max_processes) {
  auto prover = TRY(PythonProver::start());
  return PythonFeeder(std::move(prover), processes_map, layouts_map, max_processes);
}

void PythonFeeder::note_problem(std::string subject, std::string reason) {
  if (problem_count_ < kMaxProblems) {
    ++problem_count_;
    problems_.push_back({.subject = std::move(subject), .reason = std::move(reason)});
  }
}

void PythonFeeder::want(const ExecutableFileRef& file, const FilePlace& place) {
  if (file == nullptr || !file->is_elf) {
    return;
  }
  if (files_.size() >= kMaxFiles) {
    std::erase_if(files_, [](const auto& entry) {
      return !entry.second.is_asked && entry.second.found == nullptr;
    });
  }
  if (files_.try_emplace(file->id).second) {
    ++asked_count_;
    prover_->inspect(file, place);
  }
}

Result<std::uint32_t> PythonFeeder::layout_number(const py_layout& layout) {
  const auto known = std::ranges::find_if(
      layouts_, [&](const py_layout& other) { return is_same(other, layout); });
  const auto number = static_cast<std::uint32_t>(std::distance(layouts_.begin(), known));
  if (known != layouts_.end()) {
    return number;
  }
  if (number >= PY_MAX_LAYOUTS) {
    return fail(Errc::exhausted, "py_layouts is full");
  }
  if (bpf_map_update_elem(layouts_map_, &number, &layout, BPF_ANY) != 0) {
    return fail_errno("write py_layouts", errno);
  }
  layouts_.push_back(layout);
  return number;
}

Result<> PythonFeeder::write(const Fed& fed) {
  py_process value = fed.target.process;
  value.process = fed.process;
  value.layout = PY_NO_LAYOUT;
  if (!fed.is_guess || fed.is_proven) {
    value.layout = TRY(layout_number(fed.target.layout));
  }
  if (bpf_map_update_elem(processes_map_, &fed.process, &value, BPF_ANY) != 0) {
    return fail_errno("write py_processes", errno);
  }
  return {};
}

// The first that can be walked, else the first that cannot: such a process has a marker where its
// functions are missing.
std::optional<PythonFeeder::Fed> PythonFeeder::find_python(const process_id& process,
                                                           std::span<const Mapped> mapped) const {
  std::optional<Fed> unwalked;
  for (const auto& [file, start, file_offset] : mapped) {
    const auto known = file == nullptr ? files_.end() : files_.find(file->id);
    if (known == files_.end() || known->second.found == nullptr) {
      continue;
    }
    const PythonFiles::Entry& entry = *known->second.found;
    const auto bias = load_bias(entry.segments, start, file_offset);
    if (!bias) {
      continue;
    }
    if (entry.python) {
      return Fed{.process = process,
                 .target = make_python_target(*entry.python, *bias),
                 .is_guess = entry.python->is_guess,
                 .is_proven = false,
                 .looks = 0};
    }
    if (!unwalked) {
      unwalked = Fed{.process = process,
                     .target = make_unwalked_target(entry.unwalked, *bias),
                     .is_guess = true,
                     .is_proven = false,
                     .looks = kMaxLooks};
    }
  }
  return unwalked;
}

// False: the process stays native, and a problem or a counter says why.
bool PythonFeeder::tell(const Fed& fed) {
  if (max_processes_ != 0 && by_pid_.size() >= max_processes_) {
    ++counters_.above;
    if (known_above_.insert(fed.process.tgid).second) {
      above_.push_back(fed.process.tgid);
    }
    return false;
  }
  if (const auto written = write(fed); !written) {
    ++counters_.refused;
    note_problem(fmt::format("process {}", fed.process.tgid), written.error().what);
    return false;
  }
  ++counters_.processes;
  if (fed.looks < kMaxLooks) {
    prover_->prove(fed.process, fed.target);
  }
  return true;
}

bool PythonFeeder::feed(const process_id& process, std::span<const Mapped> mapped) {
  const std::optional<Fed> fed = find_python(process, mapped);
  if (!fed) {
    return false;
  }
  const auto old = by_pid_.find(process.tgid);
  if (old != by_pid_.end() && is_same(old->second.process, process) &&
      has_same_place(old->second.target.process, fed->target.process)) {
    return true;
  }
  withdraw(process.tgid);
  if (!tell(*fed)) {
    return false;
  }
  by_pid_.insert_or_assign(process.tgid, *fed);
  return true;
}

void PythonFeeder::forget(std::uint32_t pid) {
  known_above_.erase(pid);
  withdraw(pid);
}

void PythonFeeder::withdraw(std::uint32_t pid) {
  const auto known = by_pid_.find(pid);
  if (known == by_pid_.end()) {
    return;
  }
  (void)bpf_map_delete_elem(processes_map_, &known->second.process);  // it is there
  by_pid_.erase(known);
}

const py_layout* PythonFeeder::find_layout(const process_id& process) const {
  const auto known = by_pid_.find(process.tgid);
  return known != by_pid_.end() && is_same(known->second.process, process)
             ? &known->second.target.layout
             : nullptr;
}

// A known version is right whatever is seen of a process that runs on meanwhile: its proof only
// teaches what the file cannot tell.
void PythonFeeder::take_proof(const ProvenPython& proven, Done& done) {
  const auto known = by_pid_.find(proven.process.tgid);
  if (known == by_pid_.end() || !is_same(known->second.process, proven.process)) {
    return;
  }
  Fed& fed = known->second;
  if (!proven.proof) {
    if (fed.is_guess && ++fed.looks == kWarnAfter) {
      note_problem(
          fmt::format("process {}", proven.process.tgid),
          fmt::format("Python {} is not known, and reading it as the last known version "
                      "fails: {}",
                      python_version_text(fed.target.layout.version), proven.proof.error().what));
    }
    return;
  }
  if (*proven.proof == PythonProof::not_started) {
    ++fed.looks;
    return;
  }
  fed.is_proven = true;
  const bool is_news = fed.is_guess || !is_same(fed.target, proven.target);
  fed.target = proven.target;
  if (is_news) {
    if (const auto written = write(fed); !written) {
      note_problem(fmt::format("process {}", proven.process.tgid), written.error().what);
    }
    done.has_changed = true;
  }
}

PythonFeeder::Done PythonFeeder::take_done() {
  Done done;
  const PythonProver::Done finished = prover_->take();
  for (const auto& [file, entry] : finished.files) {
    --asked_count_;
    Entry& known = files_[file->id];
    known.is_asked = false;
    if (entry == nullptr) {
      continue;
    }
    if (entry->problem) {
      note_problem(file->name, "its Python cannot be walked: " + entry->problem->what);
    }
    if (entry->python || entry->unwalked.end != 0) {
      known.found = entry;
      done.files.insert(file.get());
    }
  }
  for (const ProvenPython& proven : finished.processes) {
    take_proof(proven, done);
  }
  return done;
}

void PythonFeeder::housekeep() {
  for (const auto& [pid, fed] : by_pid_) {
    if (!fed.is_proven && fed.looks > 0 && fed.looks < kMaxLooks) {
      prover_->prove(fed.process, fed.target);
    }
  }
}

std::vector<std::uint32_t> PythonFeeder::take_above() {
  return std::exchange(above_, {});
}

std::vector<PythonFeeder::Problem> PythonFeeder::take_problems() {
  return std::exchange(problems_, {});
}

}  // namespace waggle
