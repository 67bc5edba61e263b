// SPDX-License-Identifier: Apache-2.0
#include "userspace/profile/resolver.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <iterator>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "bpf/abi/markers.h"
#include "symbolizer/place_text.h"
#include "symbolizer/vdso.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxRememberedNames = 1 << 18;
// A large service has 100,000 functions: 10 MiB.
constexpr std::size_t kPerfMapBytes = std::size_t{32} << 20;
constexpr std::size_t kMaxQueued = 8;
constexpr std::size_t kMaxQueuedFrames = std::size_t{1} << 20;  // 16 MiB, by offer()
// While files wait for the pacer: what can be named in 50 ms once they are read, and descriptors.
constexpr std::size_t kMaxPacedFrames = std::size_t{1} << 16;
constexpr std::size_t kMaxPacedFiles = 128;
constexpr std::chrono::seconds kMaxPacedSession(5);  // from its end on
constexpr std::chrono::milliseconds kPacerLook(50);
constexpr std::string_view kVdso = "[vdso]";
constexpr std::string_view kBesidePython = "_[pn]";  // as gProfiler's PyPerf has it

constexpr std::array kMarkerTexts = {
#define X(name, text, meaning) std::string_view(text),
    WAGGLE_MARKERS(X)
#undef X
};

std::string_view marker_text(std::uint32_t marker) {
  return marker < kMarkerTexts.size() ? kMarkerTexts[marker] : kMarkerTexts[MARKER_lost_stack];
}

bool is_function(const LocatedFrame& frame) {
  return frame.source == FrameSource::function;
}

bool is_native(const LocatedFrame& frame) {
  return frame.source == FrameSource::file || frame.source == FrameSource::vdso ||
         frame.source == FrameSource::region;
}

// Whether frames of the user part are missing there.
bool is_gap(const LocatedFrame& frame) {
  return frame.source == FrameSource::marker && frame.index != MARKER_truncated_kernel_depth &&
         frame.index != MARKER_lost_kernel_stack && frame.index != MARKER_exec;
}

// `first`: where the first of the frames stands in its stack.
Profile::Walk walk_of(std::span<const LocatedFrame> frames, std::uint32_t first) {
  using Root = Profile::Walk::Root;
  Profile::Walk walk{.root = Root::whole};
  for (std::uint32_t i = 0; i < frames.size(); ++i) {
    if (is_gap(frames[i])) {
      if (i != 0) {
        return {};
      }
      walk.root = Root::cut;
    } else if (frames[i].source == FrameSource::region) {
      if (walk.generated_end == 0) {
        walk.generated_begin = first + i;
      }
      walk.generated_end = first + i + 1;
    }
  }
  return walk;
}

}  // namespace

FrameNamer::FrameNamer(std::size_t module_cache_bytes, std::stop_token stop)
    : stop_(std::move(stop)),
      modules_(module_cache_bytes),
      perf_maps_(kPerfMapBytes),
      vdso_(load_vdso()) {}

std::size_t FrameNamer::FrameKeyHash::operator()(const FrameKey& key) const {
  return std::hash<std::uint64_t>()(key.address * 0x9e3779b97f4a7c15 ^ key.space);
}

void FrameNamer::add(const LocatedBatch& batch, Profile& profile) {
  for (const LocatedStack& stack : batch.stacks) {
    const std::string_view container =
        stack.container != nullptr ? std::string_view(*stack.container) : "";
    Profile::Stack named{.container = profile.intern(container),
                         .comm = profile.intern(stack.comm),
                         .frames = {},
                         .process = stack.process,
                         .application = profile.intern_application(stack.application),
                         .walk = {}};
    named.frames.reserve(stack.frame_count + 1);
    if (!stack.thread.empty()) {
      named.frames.push_back(profile.intern("thread: " + stack.thread));
    }
    const auto frames = std::span(batch.frames).subspan(stack.first_frame, stack.frame_count);
    if (stack.process != 0) {
      named.walk = walk_of(frames, static_cast<std::uint32_t>(named.frames.size()));
    }
    const Company company =
        std::ranges::any_of(frames, is_function) ? Company::python : Company::native;
    for (const LocatedFrame& frame : frames) {
      named.frames.push_back(name_of(frame, batch, company, profile));
    }
    profile.add(named, stack.count);
  }
}

Profile::NameId FrameNamer::name_of(const LocatedFrame& frame, const LocatedBatch& batch,
                                    Company company, Profile& profile) {
  const bool has_suffix = company == Company::python && is_native(frame);
  const auto text = [&] {
    return text_of(frame, batch) + std::string(has_suffix ? kBesidePython : "");
  };
  if (frame.source == FrameSource::region) {
    return profile.intern(text());  // JIT code changes its names
  }
  const std::uint64_t id = frame.source == FrameSource::file ? batch.files[frame.index].file->id
                           : frame.source == FrameSource::function ? 0
                                                                   : frame.index;
  const auto space =
      static_cast<std::uint64_t>(frame.source) << 1 | static_cast<std::uint64_t>(has_suffix);
  const FrameKey key{.space = space << 32 | id, .address = frame.address};
  if (const auto known = names_.find(key); known != names_.end()) {
    return known->second;
  }
  if (names_.size() >= kMaxRememberedNames) {
    names_.clear();  // rare; they are found again in the modules
  }
  const Profile::NameId name = profile.intern(text());
  names_.emplace(key, name);
  return name;
}

std::string FrameNamer::text_of(const LocatedFrame& frame, const LocatedBatch& batch) {
  switch (frame.source) {
    case FrameSource::file:
      return text_in_file(batch.files[frame.index], frame.address);
    case FrameSource::vdso:
      return vdso_ ? place_text(*vdso_, kVdso, frame.address, shown(kVdso))
                   : nameless_text(kVdso, frame.address);
    case FrameSource::region:
      return text_in_region(batch.regions[frame.index], frame.address);
    case FrameSource::kernel:
      return text_in_kernel(frame.address);
    case FrameSource::function:
      return (*batch.functions[frame.index].text)(batch.functions[frame.index].position);
    case FrameSource::marker:
      break;
  }
  return std::string(marker_text(frame.index));
}

std::string FrameNamer::text_in_region(const Region& region, std::uint64_t address) {
  if (region.perf_map != nullptr && stop_.stop_requested()) {
    ++given_up_;
  } else if (region.perf_map != nullptr) {
    if (const auto name = perf_maps_.find(region.perf_map, address)) {
      return std::string(*name);
    }
  }
  return nameless_text(region.name, address - region.base);
}

void FrameNamer::read(OpenedFile opened) {
  // Kept, with its reason, when it fails.
  (void)modules_.get(opened.file->identity, [&] { return std::move(opened.fd); }, stop_);
}

std::string FrameNamer::text_in_file(const LocatedFile& located, std::uint64_t offset) {
  const ExecutableFile& file = *located.file;
  const auto module =
      modules_.get(file.identity, [&] { return open_again(located.place, file.identity); }, stop_);
  if (!module && stop_.stop_requested()) {
    ++given_up_;
  }
  return module ? place_text(**module, file.name, offset, shown(file.name))
                : nameless_text(file.name, offset);
}

const KernelSymbols* FrameNamer::kernel_symbols() {
  if (!kernel_ && !kernel_problem_) {
    Result<KernelSymbols> loaded = KernelSymbols::load_path("/proc/kallsyms", stop_);
    if (loaded) {
      kernel_ = std::move(*loaded);
    } else if (!stop_.stop_requested()) {
      kernel_problem_ = std::move(loaded).error();
    }
  }
  return kernel_ ? &*kernel_ : nullptr;
}

std::string FrameNamer::text_in_kernel(std::uint64_t address) {
  const KernelSymbols* symbols = kernel_symbols();
  if (symbols == nullptr && !kernel_problem_) {
    ++given_up_;
  }
  const auto symbol = symbols != nullptr ? symbols->find(address) : std::nullopt;
  return symbol ? std::string(symbol->name) + "_[k]" : "[unknown]_[k]";
}

Resolver::Resolver(std::size_t module_cache_bytes, CpuPacer* pacer)
    : pacer_(pacer), namer_(module_cache_bytes, stop_.get_token()), thread_([this] { run(); }) {}

Resolver::~Resolver() {
  stop_.request_stop();
  const std::scoped_lock lock(mutex_);
  is_finishing_ = true;
  queue_.clear();
  unread_.clear();
  changed_.notify_all();
}

void Resolver::read(std::vector<OpenedFile> files) {
  if (files.empty()) {
    return;
  }
  const std::scoped_lock lock(mutex_);
  std::ranges::move(files, std::back_inserter(unread_));
  changed_.notify_all();
}

void Resolver::push(LocatedBatch batch) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return queue_.size() < kMaxQueued; });
  queued_frames_ += batch.frames.size();
  queue_.emplace_back(std::move(batch));
  changed_.notify_all();
}

bool Resolver::offer(LocatedBatch batch) {
  const std::scoped_lock lock(mutex_);
  if (queued_frames_ + batch.frames.size() > kMaxQueuedFrames) {
    return false;
  }
  queued_frames_ += batch.frames.size();
  queue_.emplace_back(std::move(batch));
  changed_.notify_all();
  return true;
}

std::future<Resolver::Resolved> Resolver::cut() {
  Cut cut;
  std::future<Resolved> resolved = cut.get_future();
  const std::scoped_lock lock(mutex_);
  if (ended_count_++ == 0) {
    ended_ = std::chrono::steady_clock::now();
  }
  queue_.emplace_back(std::move(cut));
  changed_.notify_all();
  return resolved;
}

std::size_t Resolver::queued_frames() const {
  const std::scoped_lock lock(mutex_);
  return queued_frames_;
}

void Resolver::hurry() {
  const std::scoped_lock lock(mutex_);
  stop_.request_stop();
  changed_.notify_all();
}

// The first of the files that wait.
bool Resolver::may_read() const {
  return pacer_ == nullptr || is_finishing_ || stop_.stop_requested() ||
         unread_.size() > kMaxPacedFiles || queued_frames_ > kMaxPacedFrames ||
         (ended_count_ != 0 && std::chrono::steady_clock::now() > ended_ + kMaxPacedSession) ||
         pacer_->may_begin();
}

std::optional<Resolver::Work> Resolver::next_work() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !unread_.empty() || !queue_.empty() || is_finishing_; });
  while (!unread_.empty() && !may_read()) {
    changed_.wait_for(lock, kPacerLook);
  }
  if (!unread_.empty()) {
    OpenedFile file = std::move(unread_.front());
    unread_.pop_front();
    return file;
  }
  if (queue_.empty()) {
    return std::nullopt;
  }
  Queued next = std::move(queue_.front());
  queue_.pop_front();
  changed_.notify_all();
  if (auto* cut = std::get_if<Cut>(&next)) {
    --ended_count_;
    return std::move(*cut);
  }
  auto& batch = std::get<LocatedBatch>(next);
  queued_frames_ -= batch.frames.size();
  return std::move(batch);
}

Resolver::Resolved Resolver::take_profile() {
  namer_.forget_names();
  return {.profile = std::exchange(profile_, {}),
          .kernel_problem = namer_.kernel_problem(),
          .given_up = namer_.take_given_up()};
}

void Resolver::run() {
  while (std::optional<Work> work = next_work()) {
    if (forgets_modules_.exchange(false)) {
      namer_.forget_modules();
    }
    if (auto* file = std::get_if<OpenedFile>(&*work)) {
      const PacedWork paced(pacer_);
      namer_.read(std::move(*file));
    } else if (auto* cut = std::get_if<Cut>(&*work)) {
      cut->set_value(take_profile());
    } else {
      const std::chrono::nanoseconds begin = thread_cpu_time();
      namer_.add(std::get<LocatedBatch>(*work), profile_);
      naming_time_ = naming_time_.load() + (thread_cpu_time() - begin);
    }
  }
}

Resolver::Resolved Resolver::finish() {
  {
    const std::scoped_lock lock(mutex_);
    is_finishing_ = true;
    changed_.notify_all();
  }
  thread_.join();
  return take_profile();
}

}  // namespace waggle
