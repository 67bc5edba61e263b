// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/unwind_compiler.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "symbolizer/vdso.h"

namespace waggle {

namespace {

Result<ElfFile> open_elf(const ExecutableFileRef& file, const FilePlace& place) {
  if (file == nullptr) {
    return ElfFile::from_bytes(TRY(read_vdso()));
  }
  return ElfFile::open(TRY(open_again(place, file->identity)));
}

}  // namespace

Result<std::unique_ptr<UnwindCompiler>> UnwindCompiler::start() {
  UniqueFd done_fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!done_fd.is_open()) {
    return fail_errno("eventfd", errno);
  }
  return std::unique_ptr<UnwindCompiler>(new UnwindCompiler(std::move(done_fd)));
}

UnwindCompiler::UnwindCompiler(UniqueFd done_fd)
    : done_fd_(std::move(done_fd)), thread_([this] { run(); }) {}

UnwindCompiler::~UnwindCompiler() {
  const std::scoped_lock lock(mutex_);
  is_finishing_ = true;
  changed_.notify_all();
}

void UnwindCompiler::compile(ExecutableFileRef file, FilePlace place) {
  const std::scoped_lock lock(mutex_);
  queue_.push_back({.file = std::move(file), .place = std::move(place)});
  changed_.notify_all();
}

std::vector<CompiledTable> UnwindCompiler::take() {
  std::uint64_t count = 0;
  // EAGAIN: nothing was done.
  [[maybe_unused]] const ssize_t read = ::read(done_fd_.get(), &count, sizeof(count));
  const std::scoped_lock lock(mutex_);
  return std::exchange(done_, {});
}

std::optional<UnwindCompiler::Work> UnwindCompiler::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !queue_.empty() || is_finishing_; });
  if (is_finishing_) {
    return std::nullopt;
  }
  Work work = std::move(queue_.front());
  queue_.pop_front();
  return work;
}

CompiledTable UnwindCompiler::compile_one(const Work& work) {
  CompiledTable compiled{
      .file = work.file, .table = fail(Errc::not_found, ""), .rules = {}, .segments = {}};
  const auto elf = open_elf(work.file, work.place);
  if (!elf) {
    compiled.table = std::unexpected(elf.error());
    return compiled;
  }
  compiled.segments = elf->load_segments();
  compiled.table = UnwindTable::build(*elf, rules_);
  if (compiled.table) {
    for (const std::uint16_t number : compiled.table->rules()) {
      compiled.rules.push_back({.number = number, .rule = rules_.at(number)});
    }
  }
  return compiled;
}

void UnwindCompiler::run() {
  while (const std::optional<Work> work = next()) {
    CompiledTable compiled = compile_one(*work);
    const std::scoped_lock lock(mutex_);
    done_.push_back(std::move(compiled));
    const std::uint64_t one = 1;
    // EAGAIN: it is readable already.
    [[maybe_unused]] const ssize_t written = ::write(done_fd_.get(), &one, sizeof(one));
  }
}

}  // namespace waggle
