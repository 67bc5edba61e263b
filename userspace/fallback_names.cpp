// SPDX-License-Identifier: Apache-2.0
#include "userspace/fallback_names.h"

#include <sys/sysmacros.h>

#include <filesystem>
#include <system_error>
#include <variant>

#include "base/file.h"
#include "base/text.h"
#include "symbolizer/place_text.h"

namespace waggle {

namespace {

constexpr std::size_t kModuleCacheBytes = std::size_t{64} << 20;
constexpr std::size_t kMaxThreadNames = 1 << 18;
constexpr std::string_view kUnknownProcess = "[unknown]";

// perf's data is read a segment after it was taken, or several on a busy host.
constexpr ProcessTableLimits kLimits = {.mapping_grace_ns = 60'000'000'000};

}  // namespace

FallbackNames::FallbackNames(bool has_threads)
    : processes_(ProcFs(), kLimits), modules_(kModuleCacheBytes), has_threads_(has_threads) {}

Result<> FallbackNames::scan() {
  TRY(processes_.scan());
  processes_.read_containers();  // samples come when many are gone
  if (has_threads_) {
    scan_threads();
  }
  return {};
}

void FallbackNames::scan_threads() {
  std::error_code gone;  // threads end while we look
  for (const auto& process : std::filesystem::directory_iterator("/proc", gone)) {
    if (!parse_number<std::uint32_t>(process.path().filename().string())) {
      continue;
    }
    for (const auto& task : std::filesystem::directory_iterator(process.path() / "task", gone)) {
      const auto tid = parse_number<std::uint32_t>(task.path().filename().string());
      const auto name = read_file(task.path() / "comm", 64);
      if (tid && name) {
        note_thread(*tid, std::string_view(*name).substr(0, name->find('\n')));
      }
    }
  }
}

void FallbackNames::note_thread(std::uint32_t tid, std::string_view name) {
  const std::scoped_lock lock(mutex_);
  if (thread_names_.size() >= kMaxThreadNames) {
    thread_names_.clear();  // some samples lack their thread's name then
  }
  thread_names_[tid] = name;
}

void FallbackNames::apply(const ProcessRecord& record) {
  processes_.apply(record);
  if (const auto* exec = std::get_if<ExecRecord>(&record)) {
    processes_.read_container_of(exec->pid);
  }
  if (!has_threads_) {
    return;
  }
  if (const auto* fork = std::get_if<ForkRecord>(&record)) {
    note_thread(fork->tid, thread_name(static_cast<pid_t>(fork->parent_tid)));
  } else if (const auto* exec = std::get_if<ExecRecord>(&record)) {
    note_thread(exec->tid, exec->comm);
  } else if (const auto* comm = std::get_if<CommRecord>(&record)) {
    note_thread(comm->tid, comm->comm);
  }
}

std::string FallbackNames::exec_name(pid_t pid, std::uint64_t time_ns) {
  const auto process = processes_.find_instance(static_cast<std::uint32_t>(pid), time_ns);
  const auto name = process ? processes_.find_exec_name(*process, time_ns) : std::nullopt;
  return std::string(name.value_or(kUnknownProcess));
}

std::string FallbackNames::container(pid_t pid, std::uint64_t time_ns) {
  const auto process = processes_.find_instance(static_cast<std::uint32_t>(pid), time_ns);
  return process ? *processes_.find_container(*process, time_ns) : "";
}

ApplicationRef FallbackNames::application(pid_t pid, std::uint64_t time_ns) {
  const auto process = processes_.find_instance(static_cast<std::uint32_t>(pid), time_ns);
  return process ? processes_.find_application(*process, time_ns) : nullptr;
}

std::string FallbackNames::thread_name(pid_t tid) const {
  const std::scoped_lock lock(mutex_);
  const auto known = thread_names_.find(static_cast<std::uint32_t>(tid));
  return known == thread_names_.end() ? std::string() : known->second;
}

FoundMapping FallbackNames::find_mapping(const process_id& process, std::uint64_t time_ns,
                                         const Place& place) {
  constexpr std::string_view kDeleted = " (deleted)";
  std::string_view path = place.object;
  if (path.ends_with(kDeleted)) {
    path.remove_suffix(kDeleted.size());
  }
  FoundMapping found = place.is_offset
                           ? processes_.find_file_mapping(process, time_ns, path, place.address)
                           : processes_.find_mapping(process, time_ns, place.address);
  if (found.state == LookupState::found && found.file->path != path) {
    found.state = LookupState::unknown_mapping;  // a frame pointer that held something else
  }
  return found;
}

std::optional<std::string> FallbackNames::place_name(pid_t pid, std::uint64_t time_ns,
                                                     const Place& place) {
  const auto process = processes_.find_instance(static_cast<std::uint32_t>(pid), time_ns);
  const FoundMapping mapping = process ? find_mapping(*process, time_ns, place) : FoundMapping();
  if (mapping.state != LookupState::found || !mapping.file->is_file()) {
    return std::nullopt;
  }
  const auto& identity = mapping.file->identity;
  const auto file = files_.open({.pid = pid,
                                 .start = mapping.start,
                                 .end = mapping.end,
                                 .path = mapping.file->path,
                                 .dev = ::makedev(identity.device_major, identity.device_minor),
                                 .inode = identity.inode,
                                 .inode_generation = 0,
                                 .mapped_ns = mapping.mapped_ns,
                                 .time_ns = time_ns});
  (void)files_.take_opened();  // read when it is wanted, which is now
  if (!file || !(*file)->is_elf) {
    return std::nullopt;
  }
  const std::uint64_t offset =
      place.is_offset ? place.address : place.address - mapping.start + mapping.file_offset;
  const auto module = modules_.get(
      (*file)->identity, [&] { return open_again(files_.find_place(**file), (*file)->identity); });
  return module ? place_text(**module, (*file)->name, offset, place.shown)
                : nameless_text((*file)->name, offset);
}

}  // namespace waggle
