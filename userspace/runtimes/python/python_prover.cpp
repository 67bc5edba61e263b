// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtimes/python/python_prover.h"

#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "userspace/process/process_memory.h"

namespace waggle {

namespace {

// The tables of what is sampled are needed first: Python's frames stand on native ones.
void go_last() {
  constexpr int kNice = 5;
  (void)::setpriority(PRIO_PROCESS, 0, kNice);  // this thread's alone
}

}  // namespace

Result<std::unique_ptr<PythonProver>> PythonProver::start() {
  UniqueFd done_fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!done_fd.is_open()) {
    return fail_errno("eventfd", errno);
  }
  return std::unique_ptr<PythonProver>(new PythonProver(std::move(done_fd)));
}

PythonProver::PythonProver(UniqueFd done_fd)
    : done_fd_(std::move(done_fd)), thread_([this] { run(); }) {}

PythonProver::~PythonProver() {
  const std::scoped_lock lock(mutex_);
  is_finishing_ = true;
  changed_.notify_all();
}

void PythonProver::inspect(ExecutableFileRef file, FilePlace place) {
  const std::scoped_lock lock(mutex_);
  inspections_.push_back({.file = std::move(file), .place = std::move(place)});
  changed_.notify_all();
}

void PythonProver::prove(const process_id& process, const PythonTarget& target) {
  const std::scoped_lock lock(mutex_);
  proofs_.push_back({.process = process, .target = target});
  changed_.notify_all();
}

PythonProver::Done PythonProver::take() {
  std::uint64_t count = 0;
  // EAGAIN: nothing was done.
  [[maybe_unused]] const ssize_t read = ::read(done_fd_.get(), &count, sizeof(count));
  const std::scoped_lock lock(mutex_);
  return std::exchange(done_, {});
}

std::optional<PythonProver::Work> PythonProver::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock,
                [this] { return !inspections_.empty() || !proofs_.empty() || is_finishing_; });
  if (is_finishing_) {
    return std::nullopt;
  }
  if (!inspections_.empty()) {
    const auto smallest = std::ranges::min_element(
        inspections_, {}, [](const Inspection& waiting) { return waiting.file->identity.size; });
    Inspection inspection = std::move(*smallest);
    inspections_.erase(smallest);
    return inspection;
  }
  const Proof proof = proofs_.front();
  proofs_.pop_front();
  return proof;
}

void PythonProver::tell_done() {
  const std::uint64_t one = 1;
  // EAGAIN: it is readable already.
  [[maybe_unused]] const ssize_t written = ::write(done_fd_.get(), &one, sizeof(one));
}

void PythonProver::run() {
  go_last();
  while (std::optional<Work> work = next()) {
    if (auto* inspection = std::get_if<Inspection>(&*work)) {
      InspectedFile inspected{.file = inspection->file, .entry = nullptr};
      if (auto fd = open_again(inspection->place, inspection->file->identity)) {
        inspected.entry = files_.get(*std::move(fd)).value_or(nullptr);
      }
      const std::scoped_lock lock(mutex_);
      done_.files.push_back(std::move(inspected));
      tell_done();
    } else {
      auto& [process, target] = std::get<Proof>(*work);
      auto proof = prove_python(ProcessMemory(static_cast<pid_t>(process.tgid)), target);
      const std::scoped_lock lock(mutex_);
      done_.processes.push_back({.process = process, .target = target, .proof = std::move(proof)});
      tell_done();
    }
  }
}

}  // namespace waggle
