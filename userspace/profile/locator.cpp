// SPDX-License-Identifier: Apache-2.0
#include "userspace/profile/locator.h"

#include <signal.h>
#include <sys/sysmacros.h>
#include <sys/types.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "bpf/abi/frame.h"
#include "bpf/abi/markers.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxPlaces = 1 << 17;
constexpr std::size_t kMaxFunctions = 1 << 17;  // four times as many as py_codes remembers

LocatedFrame marker_frame(std::uint32_t marker) {
  return {.source = FrameSource::marker, .index = marker, .address = 0};
}

bool is_same_marker(const LocatedFrame& a, const LocatedFrame& b) {
  return a.source == FrameSource::marker && b.source == FrameSource::marker && a.index == b.index;
}

bool is_end_marker(std::uint64_t frame) {
  return frame == frame_make(FRAME_MARKER, MARKER_truncated_no_unwind_info) ||
         frame == frame_make(FRAME_MARKER, MARKER_truncated_unreadable_memory) ||
         frame == frame_make(FRAME_MARKER, MARKER_truncated_depth);
}

std::string comm_of(const cpu_count_key& key) {
  return {key.comm, ::strnlen(key.comm, sizeof(key.comm))};
}

// The last component of a mapping's path, or what stands for one.
std::string shown_name(const MappedFile& mapped) {
  const std::string_view name = std::string_view(mapped.path).substr(mapped.path.rfind('/') + 1);
  return name.empty() ? "[anon]" : std::string(name);
}

}  // namespace

bool Locator::MappingKey::operator==(const MappingKey& other) const {
  return std::memcmp(&process, &other.process, sizeof(process)) == 0 && start == other.start &&
         file == other.file;
}

std::size_t Locator::MappingKeyHash::operator()(const MappingKey& key) const {
  const std::uint64_t mixed =
      (key.start ^ key.process.start_boottime_ns) * 0x9e3779b97f4a7c15 + key.process.tgid;
  return std::hash<std::uint64_t>()(mixed ^ reinterpret_cast<std::uintptr_t>(key.file));
}

Locator::Place Locator::find_place(const process_id& process, std::uint64_t time_ns,
                                   const FoundMapping& mapping) {
  const MappedFile& mapped = *mapping.file;
  Place place;
  place.keeps_key = mapping.file;
  if (mapped.path == "[vdso]") {
    place.source = FrameSource::vdso;
    return place;
  }
  place.region = shown_name(mapped);
  if (!mapped.is_file()) {
    return place;
  }
  const auto& identity = mapped.identity;
  auto file = files_.open({.pid = static_cast<pid_t>(process.tgid),
                           .start = mapping.start,
                           .end = mapping.end,
                           .path = mapped.path,
                           .dev = ::makedev(identity.device_major, identity.device_minor),
                           .inode = identity.inode,
                           .inode_generation = 0,
                           .mapped_ns = mapping.mapped_ns,
                           .time_ns = time_ns});
  if (file && (*file)->is_elf) {
    place.source = FrameSource::file;
    place.file = std::move(*file);
  }
  return place;  // without a file the frame shows the mapping's name and the address
}

const Locator::Place& Locator::place_of(const process_id& process, std::uint64_t time_ns,
                                        const FoundMapping& mapping) {
  const MappingKey key{.process = process, .start = mapping.start, .file = mapping.file.get()};
  if (const auto known = places_.find(key); known != places_.end()) {
    return known->second;
  }
  if (places_.size() >= kMaxPlaces || files_.is_full()) {
    places_.clear();  // rare; they are found again
    files_.forget_unused();
  }
  return places_.emplace(key, find_place(process, time_ns, mapping)).first->second;
}

std::uint32_t Locator::file_index(const ExecutableFileRef& file) {
  const auto next = static_cast<std::uint32_t>(batch_.files.size());
  const auto [known, is_new] = file_indexes_.try_emplace(file.get(), next);
  if (is_new) {
    batch_.files.push_back({.file = file, .place = files_.find_place(*file)});
  }
  return known->second;
}

std::uint32_t Locator::region_index(Region region) {
  const auto next = static_cast<std::uint32_t>(batch_.regions.size());
  const auto [known, is_new] = region_indexes_.try_emplace(std::move(region), next);
  if (is_new) {
    batch_.regions.push_back(known->first);
  }
  return known->second;
}

LocatedFrame Locator::locate_user(const process_id& process, std::uint64_t time_ns,
                                  std::uint64_t address) {
  const FoundMapping mapping = processes_.find_mapping(process, time_ns, address);
  switch (mapping.state) {
    case LookupState::unknown_process:
      return marker_frame(MARKER_unknown_process);
    case LookupState::unknown_mapping:
      return marker_frame(MARKER_unknown_mapping);
    case LookupState::found:
      break;
  }
  const Place& place = place_of(process, time_ns, mapping);
  const std::uint64_t base = mapping.start - mapping.file_offset;
  switch (place.source) {
    case FrameSource::file:
      return {
          .source = FrameSource::file, .index = file_index(place.file), .address = address - base};
    case FrameSource::vdso:
      return {.source = FrameSource::vdso, .index = 0, .address = address - mapping.start};
    default:
      return {
          .source = FrameSource::region,
          .index = region_index({.name = place.region,
                                 .base = mapping.file->is_file() ? base : 0,
                                 .perf_map = perf_maps_.find(process, mapping.program_since_ns)}),
          .address = address};
  }
}

std::optional<Locator::Executable> Locator::find_executable(const process_id& process,
                                                            std::uint64_t time_ns,
                                                            const CodeMapping& mapping) {
  // It may have been made after the sample that asks for all of the process' mappings.
  const Place& place = place_of(process, std::max(time_ns, mapping.mapped_ns()),
                                {.state = LookupState::found,
                                 .start = mapping.start,
                                 .end = mapping.end,
                                 .file_offset = mapping.file_offset,
                                 .file = mapping.file,
                                 .mapped_ns = mapping.mapped_ns()});
  if (place.source == FrameSource::vdso) {
    return Executable{.id = kVdsoId, .file = nullptr};
  }
  if (place.source != FrameSource::file || place.file->id > FRAME_MAX_EXECUTABLE) {
    return std::nullopt;
  }
  return Executable{.id = place.file->id, .file = place.file};
}

LocatedFrame Locator::locate_native(std::uint64_t frame) {
  const auto id = static_cast<std::uint32_t>(frame_executable(frame));
  if (id == kVdsoId) {
    return {.source = FrameSource::vdso, .index = 0, .address = frame_offset(frame)};
  }
  const ExecutableFileRef file = files_.find(id);
  if (!file) {
    return marker_frame(MARKER_unknown_mapping);  // forgotten: kMaxFiles others came since
  }
  return {.source = FrameSource::file, .index = file_index(file), .address = frame_offset(frame)};
}

void Locator::name_function(std::uint64_t id, FunctionRef text) {
  if (functions_.size() >= kMaxFunctions) {
    older_functions_ = std::exchange(functions_, {});
  }
  functions_.insert_or_assign(id, std::move(text));
}

const FunctionRef* Locator::find_function(std::uint64_t id) {
  if (const auto known = functions_.find(id); known != functions_.end()) {
    return &known->second;
  }
  auto older = older_functions_.extract(id);
  if (older.empty()) {
    return nullptr;
  }
  return &functions_.insert(std::move(older)).position->second;
}

LocatedFrame Locator::locate_function(std::uint64_t frame) {
  const std::uint64_t key = frame_payload(frame);
  auto known = function_indexes_.find(key);
  if (known == function_indexes_.end()) {
    const FunctionRef* function = find_function(frame_code_id(frame));
    if (function == nullptr) {
      return marker_frame(MARKER_python_lost_name);
    }
    const auto next = static_cast<std::uint32_t>(batch_.functions.size());
    const std::uint64_t position = frame_position(frame);
    batch_.functions.push_back(
        {.text = *function,
         .position = position != 0 ? std::optional(position - 1) : std::nullopt});
    known = function_indexes_.emplace(key, next).first;
  }
  return {.source = FrameSource::function, .index = known->second, .address = key};
}

LocatedFrame Locator::locate(const cpu_count_key& key, std::uint64_t time_ns, std::uint64_t frame,
                             bool is_leaf) {
  switch (frame_kind_of(frame)) {
    case FRAME_KERNEL:
      // The leaf is where the CPU was; the others are return addresses.
      return {.source = FrameSource::kernel, .index = 0, .address = frame - (is_leaf ? 0 : 1)};
    case FRAME_NATIVE:
      return locate_native(frame);
    case FRAME_PYTHON:
      return locate_function(frame);
    case FRAME_USER:
      return locate_user(key.process, time_ns, frame_payload(frame));
    default:
      return marker_frame(static_cast<std::uint32_t>(frame_payload(frame)));
  }
}

// Leaf first into stack_.  A return address that is no code was never one: the frame pointer held
// something else, and what the walk found after it means nothing, but for the functions of an
// interpreter, which has a list of its own.  True when the native part ended so.
bool Locator::locate_all(const cpu_count_key& key, std::uint64_t time_ns,
                         std::span<const std::uint64_t> frames) {
  stack_.clear();
  bool is_caller = false;
  bool is_lost = false;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const bool is_address = frame_kind_of(frames[i]) == FRAME_USER;
    const LocatedFrame frame = locate(key, time_ns, frames[i], i == 0);
    const bool is_function = frame.source == FrameSource::function;
    if (is_lost && !is_function) {
      continue;
    }
    if (is_address && is_caller && is_same_marker(frame, marker_frame(MARKER_unknown_mapping))) {
      stack_.push_back(marker_frame(MARKER_truncated_no_unwind_info));
      is_lost = true;
      continue;
    }
    is_caller |= is_address || is_function || frame_kind_of(frames[i]) == FRAME_NATIVE;
    if (stack_.empty() || !is_same_marker(stack_.back(), frame)) {
      stack_.push_back(frame);
    }
  }
  if (stack_.empty()) {
    stack_.push_back(marker_frame(MARKER_lost_stack));
  }
  // Where the kernel side saw the end itself, it has counted it.
  return is_lost && std::ranges::none_of(frames, is_end_marker);
}

void Locator::add(const cpu_count_key& key, std::uint64_t count, std::uint64_t time_ns,
                  std::span<const std::uint64_t> frames) {
  if (locate_all(key, time_ns, frames)) {
    cut_samples_ += count;
  }
  const auto name = processes_.find_exec_name(key.process, time_ns);
  const std::uint32_t pid = key.process.tgid;
  batch_.stacks.push_back(
      {.comm = name ? std::string(*name) : comm_of(key),
       .thread = key.tid != 0 ? comm_of(key) : "",
       .count = count,
       .first_frame = static_cast<std::uint32_t>(batch_.frames.size()),
       .frame_count = static_cast<std::uint32_t>(stack_.size()),
       .process = told_apart_.contains(pid) ? pid : 0,
       .container = name ? processes_.find_container(key.process, time_ns) : nullptr});
  batch_.frames.insert(batch_.frames.end(), stack_.rbegin(), stack_.rend());
}

void Locator::forget_gone() {
  std::erase_if(told_apart_, [](std::uint32_t pid) {
    return ::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH;
  });
}

LocatedBatch Locator::take() {
  file_indexes_.clear();
  region_indexes_.clear();
  function_indexes_.clear();
  return std::exchange(batch_, {});
}

}  // namespace waggle
