// SPDX-License-Identifier: Apache-2.0
// What the process table answers to samples.
#include "userspace/process/process_table.h"

namespace waggle {

Process* ProcessTable::find_process(const process_id& id, std::uint64_t time_ns) {
  for (Process* process = newest(id.tgid); process != nullptr; process = process->older.get()) {
    if (process->may_be(id, time_ns)) {
      return process;
    }
  }
  return discover(id);
}

// Reads /proc when the image's mappings are not all known, or are doubted after a loss.
void ProcessTable::make_sure(Process& process, const Image& image) {
  if (process.is_kernel_thread || image.history == nullptr) {
    return;
  }
  if (image.history->is_complete() && !is_doubtful(process)) {
    return;
  }
  const bool is_current = process.is_live() && &image == &process.current();
  if (is_current && may_read(process) && load(process)) {
    return;
  }
  Process* parent = sharing_parent(process);
  if (parent != nullptr && may_read(*parent)) {
    (void)load(*parent);  // a failure is counted, and what is known stays
  }
}

// The image of the sample and its process; nullptr when either is unknown.
Image* ProcessTable::find_image(Process*& process, const process_id& id, std::uint64_t time_ns) {
  process = find_process(id, time_ns);
  if (process == nullptr) {
    return nullptr;
  }
  Image* image = process->find_image(id, time_ns);
  if (image != nullptr) {
    make_sure(*process, *image);
  } else if (process->is_live() && is_doubtful(*process)) {
    make_sure(*process, process->current());  // finds the exec that was lost
  } else {
    return nullptr;
  }
  return process->find_image(id, time_ns);  // the images may be others now
}

// Whether what is known of the image's mappings can be believed for that time.
bool ProcessTable::is_believed(const Process& process, const Image& image,
                               std::uint64_t time_ns) const {
  const bool is_in_doubt = is_doubtful(process) && time_ns > process.verified_ns;
  return image.history != nullptr && !process.is_kernel_thread && !is_in_doubt;
}

FoundMapping ProcessTable::find_mapping(const process_id& id, std::uint64_t time_ns,
                                        std::uint64_t address) {
  Process* process = nullptr;
  const Image* image = find_image(process, id, time_ns);
  if (image == nullptr) {
    return {};
  }
  FoundMapping answer;
  answer.state = LookupState::unknown_mapping;
  if (!is_believed(*process, *image, time_ns)) {
    return answer;
  }
  const CodeMapping* mapping = image->history->find(address, time_ns);
  // The stream tells of no mremap, and of no part of a mapping that dlclose left free.
  if (mapping == nullptr && image->history->is_complete() && process->is_live() &&
      image == &process->current() && may_read(*process) && load(*process)) {
    image = process->find_image(id, time_ns);
    mapping = image == nullptr || image->history == nullptr
                  ? nullptr
                  : image->history->find(address, time_ns);
  }
  if (mapping == nullptr) {
    return answer;
  }
  process->read_pause_ns = 0;
  return {LookupState::found, mapping->start,       mapping->end,  mapping->file_offset,
          mapping->file,      mapping->mapped_ns(), image->from_ns};
}

FoundMapping ProcessTable::find_file_mapping(const process_id& id, std::uint64_t time_ns,
                                             std::string_view path, std::uint64_t file_offset) {
  Process* process = nullptr;
  const Image* image = find_image(process, id, time_ns);
  if (image == nullptr) {
    return {};
  }
  FoundMapping answer;
  answer.state = LookupState::unknown_mapping;
  if (!is_believed(*process, *image, time_ns)) {
    return answer;
  }
  for (const CodeMapping& mapping : image->history->current()) {
    const bool is_inside = file_offset >= mapping.file_offset &&
                           file_offset - mapping.file_offset < mapping.end - mapping.start;
    if (is_inside && mapping.from_ns <= time_ns && mapping.file->path == path) {
      return {LookupState::found, mapping.start,       mapping.end,   mapping.file_offset,
              mapping.file,       mapping.mapped_ns(), image->from_ns};
    }
  }
  return answer;
}

std::optional<std::string_view> ProcessTable::find_exec_name(const process_id& id,
                                                             std::uint64_t time_ns) {
  Process* process = find_process(id, time_ns);
  Image* image = process == nullptr ? nullptr : process->find_image(id, time_ns);
  if (image == nullptr || is_doubtful(*process)) {
    image = find_image(process, id, time_ns);
  }
  if (image == nullptr || image->exec_name.empty()) {
    return std::nullopt;
  }
  return image->exec_name;
}

std::optional<InstanceView> ProcessTable::find_live(const process_id& id, std::uint64_t time_ns) {
  Process* process = nullptr;
  const Image* image = find_image(process, id, time_ns);
  if (image == nullptr || !process->is_live() || image != &process->current() ||
      process->is_kernel_thread || !image->history->is_complete()) {
    return std::nullopt;
  }
  return InstanceView{image->exec_name, image->history->current(), image->history->epoch()};
}

std::optional<InstanceView> ProcessTable::load_live(const process_id& id, std::uint64_t time_ns) {
  Process* process = newest(id.tgid);
  const bool is_missing = process != nullptr && process->is_live() &&
                          process->may_be(id, time_ns) && !process->is_kernel_thread &&
                          !process->current().history->is_complete();
  if (is_missing) {
    (void)load(*process);  // counted; find_live() has no answer then
  }
  return find_live(id, time_ns);
}

std::optional<process_id> ProcessTable::find_instance(std::uint32_t pid, std::uint64_t time_ns) {
  for (Process* process = newest(pid); process != nullptr; process = process->older.get()) {
    process_id id{.tgid = pid, .exec_id = 0, .start_boottime_ns = process->start.earliest_ns};
    if (!process->may_be(id, time_ns)) {
      continue;
    }
    std::size_t index = process->images.size() - 1;
    while (index > 0 && process->images[index].from_ns > time_ns) {
      --index;
    }
    id.exec_id = process->first_exec_id.value_or(0) + static_cast<std::uint32_t>(index);
    return id;
  }
  return std::nullopt;
}

bool ProcessTable::is_gone(const process_id& id) const {
  const auto known = by_pid_.find(id.tgid);
  return known == by_pid_.end() || !known->second->is_live() ||
         !known->second->may_be(id, now_.monotonic_ns);
}

}  // namespace waggle
