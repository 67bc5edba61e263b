// SPDX-License-Identifier: Apache-2.0
#include "userspace/mapping_follower.h"

#include <cstring>
#include <unordered_set>
#include <utility>
#include <variant>

#include "bpf/abi/frame.h"

namespace waggle {

void MappingFollower::on_record(const ProcessRecord& record) {
  if (const auto* map = std::get_if<MapRecord>(&record)) {
    if (const process_id* known = feeder_.find(map->pid)) {
      want(*known, map->time_ns);
    }
  } else if (const auto* exec = std::get_if<ExecRecord>(&record)) {
    forget(exec->pid);
  } else if (const auto* exit = std::get_if<ExitRecord>(&record); exit != nullptr) {
    if (exit->is_leader()) {
      forget(exit->pid);
    }
  }
}

void MappingFollower::want(const process_id& process, std::uint64_t time_ns) {
  // Records of one process, and stacks of one, come in runs.
  if (wanted_.empty() || std::memcmp(&wanted_.back().process, &process, sizeof(process)) != 0) {
    wanted_.push_back({.process = process, .time_ns = time_ns});
  }
}

void MappingFollower::prepare(const process_id& process, std::uint64_t time_ns,
                              UnwindUrgency urgency) {
  const auto view = processes_.load_live(process, time_ns);
  if (!view) {
    return;
  }
  for (const CodeMapping& mapping : view->mappings) {
    if (const auto executable = locator_.find_executable(process, time_ns, mapping)) {
      tables_.want(executable->file, locator_.place_of(executable->file), urgency);
      if (python_ != nullptr) {
        python_->want(executable->file, locator_.place_of(executable->file));
      }
    }
  }
}

void MappingFollower::take_tables(std::uint64_t now_ns) {
  std::unordered_set<const ExecutableFile*> files;
  for (UnwindTables::Done& done : tables_.take_done()) {
    files.insert(done.file.get());
    fresh_.push_back(std::move(done));
  }
  if (python_ != nullptr) {
    PythonFeeder::Done done = python_->take_done();
    files.merge(done.files);
    if (done.has_changed) {
      feeder_.tell_change();
    }
  }
  if (files.empty()) {
    return;
  }
  for (const process_id& process : feeder_.outdate(files)) {
    want(process, now_ns);
  }
}

void MappingFollower::catch_up() {
  for (const Wanted& wanted : std::exchange(wanted_, {})) {
    feed(wanted);
  }
  fresh_.clear();
}

void MappingFollower::forget(std::uint32_t pid) {
  feeder_.forget(pid);
  if (python_ != nullptr) {
    python_->forget(pid);
  }
}

void MappingFollower::housekeep() {
  for (const process_id& process : feeder_.known()) {
    if (processes_.is_gone(process)) {
      forget(process.tgid);
    }
  }
}

void MappingFollower::feed(const Wanted& wanted) {
  const process_id& process = wanted.process;
  (void)processes_.find_container(process, wanted.time_ns);  // while it is there to be asked
  const auto view = processes_.find_live(process, wanted.time_ns);
  if (!view || feeder_.is_current(process, view->epoch)) {
    return;
  }
  std::vector<MappingFeeder::Row> rows;
  std::vector<PythonFeeder::Mapped> mapped;
  bool is_cut = false;
  for (const CodeMapping& mapping : view->mappings) {
    is_cut = rows.size() == MappingFeeder::kMaxRows;
    if (is_cut) {
      break;
    }
    const auto executable = locator_.find_executable(process, wanted.time_ns, mapping);
    if (executable) {
      if (python_ != nullptr) {
        python_->want(executable->file, locator_.place_of(executable->file));
        mapped.push_back(
            {.file = executable->file, .start = mapping.start, .file_offset = mapping.file_offset});
      }
      auto table = tables_.find(executable->file, locator_.place_of(executable->file),
                                mapping.file_offset, mapping.end - mapping.start);
      rows.push_back({.row = {.start = mapping.start,
                              .end = mapping.end,
                              .first_frame = frame_make_native(executable->id, mapping.file_offset),
                              .table = table.table,
                              .first_key = table.first_key},
                      .file = executable->file,
                      .table = std::move(table.keeps)});
    }
  }
  const bool has_python = python_ != nullptr && python_->feed(process, mapped);
  // What is refused is counted; its frames stay addresses.
  (void)feeder_.feed(process, view->epoch, rows, {.is_cut = is_cut, .has_python = has_python});
}

}  // namespace waggle
