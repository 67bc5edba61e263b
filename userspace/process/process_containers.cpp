// SPDX-License-Identifier: Apache-2.0
// Which container a process is in: asked of /proc once for each of its images, at the first sight,
// because a runtime moves a process into its container before the last exec.
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "userspace/process/container_id.h"
#include "userspace/process/process_table.h"

namespace waggle {

namespace {

constexpr int kMaxGenerations = 16;  // asked where a process is gone
constexpr std::size_t kMaxUntold = 4096;

const ContainerRef& no_container() {
  static const ContainerRef none = std::make_shared<const std::string>();
  return none;
}

}  // namespace

// Nothing when it is gone, or going: a zombie is in the root of v1's hierarchies.
ContainerRef ProcessTable::read_container(const Process& process) {
  ++counters_.cgroup_reads;
  const auto text = proc_.read_cgroup(process.pid);
  if (!text || !process.start.agrees_with(StartTime::from_ticks(text->stat.start_ticks)) ||
      text->stat.state == 'Z' || text->stat.state == 'X') {
    ++counters_.failed_reads;
    return nullptr;
  }
  const auto cgroups = parse_process_cgroups(text->cgroup);
  const std::string_view id = container_id_of(cgroups);
  return id.empty() ? no_container() : intern_container(id);
}

ContainerRef ProcessTable::intern_container(std::string_view id) {
  const auto known = containers_.find(std::string(id));
  if (known != containers_.end()) {
    if (auto container = known->second.lock()) {
      return container;
    }
  }
  auto container = std::make_shared<const std::string>(id);
  if (containers_.size() >= 2 * kMaxUntold) {
    std::erase_if(containers_, [](const auto& entry) { return entry.second.expired(); });
  }
  containers_.insert_or_assign(*container, container);
  if (untold_containers_.size() < kMaxUntold) {
    untold_containers_.push_back(container);
  }
  return container;
}

std::vector<ContainerRef> ProcessTable::take_new_containers() {
  return std::exchange(untold_containers_, {});
}

// At the time when the child began.
Process* ProcessTable::parent_of(const Process& child) {
  for (Process* process = newest(child.parent_pid); process != nullptr && process != &child;
       process = process->older.get()) {
    if (process->begin_ns <= child.begin_ns && process->end_ns >= child.begin_ns) {
      return process;
    }
  }
  return nullptr;
}

const ContainerRef& ProcessTable::container_of(Process& process, Image& image, int generation) {
  if (image.container != nullptr) {
    return image.container;
  }
  if (process.is_kernel_thread) {
    return image.container = no_container();
  }
  if (process.is_live() && &image == &process.current()) {
    image.container = read_container(process);
  }
  Process* parent = image.container == nullptr ? parent_of(process) : nullptr;
  if (parent != nullptr && generation < kMaxGenerations) {
    std::size_t index = parent->images.size() - 1;
    while (index > 0 && parent->images[index].from_ns > process.begin_ns) {
      --index;
    }
    image.container = container_of(*parent, parent->images[index], generation + 1);
  }
  if (image.container == nullptr) {
    image.container = no_container();
  }
  return image.container;
}

ContainerRef ProcessTable::find_container(const process_id& id, std::uint64_t time_ns) {
  Process* process = find_process(id, time_ns);
  Image* image = process == nullptr ? nullptr : process->find_image(id, time_ns);
  return image == nullptr ? no_container() : container_of(*process, *image, 0);
}

void ProcessTable::read_containers() {
  for (auto& [pid, process] : by_pid_) {
    if (process->is_live()) {
      (void)container_of(*process, process->current(), 0);
    }
  }
}

void ProcessTable::read_container_of(std::uint32_t pid) {
  if (Process* process = newest(pid); process != nullptr && process->is_live()) {
    (void)container_of(*process, process->current(), 0);
  }
}

}  // namespace waggle
