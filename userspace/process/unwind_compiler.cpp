// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/unwind_compiler.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <tuple>
#include <utility>

#include "symbolizer/vdso.h"

namespace waggle {

namespace {

// Whose call frame information takes 25 ms at most, as a rule: a file four times that of libc's
// size has as much as LLVM's library.
constexpr std::uint64_t kLargeBytes = std::uint64_t{32} << 20;

// How soon it is seen that the pacer lets work begin.
constexpr std::chrono::milliseconds kPacerLook(50);

Result<ElfFile> open_elf(const ExecutableFileRef& file, const FilePlace& place) {
  if (file == nullptr) {
    return ElfFile::from_bytes(TRY(read_vdso()));
  }
  return ElfFile::open(TRY(open_again(place, file->identity)));
}

}  // namespace

Result<std::unique_ptr<UnwindCompiler>> UnwindCompiler::start(UnwindCache& cache,
                                                              UnwindTableFiles* files,
                                                              CpuPacer* pacer) {
  UniqueFd done_fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!done_fd.is_open()) {
    return fail_errno("eventfd", errno);
  }
  return std::unique_ptr<UnwindCompiler>(
      new UnwindCompiler(cache, files, pacer, std::move(done_fd)));
}

UnwindCompiler::UnwindCompiler(UnwindCache& cache, UnwindTableFiles* files, CpuPacer* pacer,
                               UniqueFd done_fd)
    : cache_(cache), files_(files), pacer_(pacer), done_fd_(std::move(done_fd)) {
  for (Lane& lane : lanes_) {
    lane.thread = std::jthread([this, &lane] { run(lane); });
  }
}

UnwindCompiler::~UnwindCompiler() {
  const std::scoped_lock lock(mutex_);
  is_finishing_ = true;
  std::ranges::for_each(lanes_, [](Lane& lane) { lane.changed.notify_all(); });
}

UnwindCompiler::Lane& UnwindCompiler::lane_of(const ExecutableFileRef& file) {
  return lanes_[file != nullptr && file->identity.size > kLargeBytes ? 1 : 0];
}

void UnwindCompiler::compile(ExecutableFileRef file, FilePlace place, UnwindUrgency urgency) {
  Lane& lane = lane_of(file);
  const std::scoped_lock lock(mutex_);
  lane.queue.push_back({.file = std::move(file), .place = std::move(place), .urgency = urgency});
  lane.changed.notify_all();
}

void UnwindCompiler::hurry(const ExecutableFileRef& file) {
  Lane& lane = lane_of(file);
  const std::scoped_lock lock(mutex_);
  const auto waiting = std::ranges::find(lane.queue, file, &Work::file);
  if (waiting != lane.queue.end()) {
    waiting->urgency = UnwindUrgency::sampled;
  }
}

std::vector<CompiledTable> UnwindCompiler::take() {
  std::uint64_t count = 0;
  // EAGAIN: nothing was done.
  [[maybe_unused]] const ssize_t read = ::read(done_fd_.get(), &count, sizeof(count));
  const std::scoped_lock lock(mutex_);
  return std::exchange(done_, {});
}

// Until there is some that may begin.
void UnwindCompiler::wait_for_work(Lane& lane, std::unique_lock<std::mutex>& lock) {
  lane.changed.wait(lock, [&] { return !lane.queue.empty() || is_finishing_; });
  while (!is_finishing_ && pacer_ != nullptr && !pacer_->may_begin()) {
    lane.changed.wait_for(lock, kPacerLook);
  }
}

std::optional<UnwindCompiler::Work> UnwindCompiler::next(Lane& lane) {
  std::unique_lock lock(mutex_);
  if (lane.queue.empty() && !is_finishing_) {
    lock.unlock();
    cache_.grow_ahead();
    lock.lock();
  }
  wait_for_work(lane, lock);
  if (is_finishing_) {
    return std::nullopt;
  }
  const auto first = std::ranges::min_element(lane.queue, std::less(), [](const Work& waiting) {
    return std::tuple(waiting.urgency, waiting.size_bytes());
  });
  Work work = std::move(*first);
  lane.queue.erase(first);
  return work;
}

Result<UnwindTable> UnwindCompiler::make_table(const ElfFile& elf, const FileIdentity* identity) {
  const bool is_kept =
      files_ != nullptr && identity != nullptr && UnwindTableFiles::is_worth_it(*identity);
  if (is_kept) {
    if (auto table = files_->read(*identity, cache_.rules())) {
      return *std::move(table);
    }
  }
  UnwindTable table = TRY(UnwindTable::build(elf, cache_.rules()));
  if (is_kept) {
    files_->write(*identity, table, cache_.rules());
  }
  return table;
}

CompiledTable UnwindCompiler::compile_one(const Work& work) {
  CompiledTable compiled{
      .file = work.file, .place = work.place, .table = fail(Errc::not_found, "")};
  const auto elf = open_elf(work.file, work.place);
  if (!elf) {
    compiled.table = std::unexpected(elf.error());
    return compiled;
  }
  auto table = make_table(*elf, work.file == nullptr ? nullptr : &work.file->identity);
  if (!table) {
    compiled.table = std::unexpected(std::move(table).error());
    return compiled;
  }
  compiled.facts = table->facts();
  compiled.node_count = table->nodes().size();
  compiled.table = cache_.put(*table, elf->load_segments());
  return compiled;
}

CompiledTable UnwindCompiler::compile_paced(const Work& work) {
  const PacedWork paced(pacer_);
  return compile_one(work);
}

void UnwindCompiler::run(Lane& lane) {
  while (const std::optional<Work> work = next(lane)) {
    CompiledTable compiled = compile_paced(*work);
    const std::scoped_lock lock(mutex_);
    done_.push_back(std::move(compiled));
    const std::uint64_t one = 1;
    // EAGAIN: it is readable already.
    [[maybe_unused]] const ssize_t written = ::write(done_fd_.get(), &one, sizeof(one));
  }
}

}  // namespace waggle
