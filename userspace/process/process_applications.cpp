// SPDX-License-Identifier: Apache-2.0
// Who is to be told more of: each program of a process that is sampled, at its first sample.
#include <cstdint>
#include <memory>
#include <utility>

#include "userspace/process/application.h"
#include "userspace/process/process_table.h"

namespace waggle {

void ProcessTable::tell_applications(ApplicationSink sink) {
  application_sink_ = std::move(sink);
}

ApplicationRef ProcessTable::find_application(const process_id& id, std::uint64_t time_ns) {
  if (!application_sink_) {
    return nullptr;
  }
  Process* process = find_process(id, time_ns);
  Image* image = process == nullptr ? nullptr : process->find_image(id, time_ns);
  if (image == nullptr || image->application != nullptr) {
    return image == nullptr ? nullptr : image->application;
  }
  if (process->is_kernel_thread || !process->is_live() || image != &process->current()) {
    return nullptr;  // nobody can say any more
  }
  image->application = std::make_shared<Application>(process->pid, process->start);
  application_sink_(image->application);
  return image->application;
}

}  // namespace waggle
