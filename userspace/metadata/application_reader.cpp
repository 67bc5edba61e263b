// SPDX-License-Identifier: Apache-2.0
#include "userspace/metadata/application_reader.h"

#include <algorithm>
#include <stop_token>
#include <utility>

#include "base/cpu_pacer.h"

namespace waggle {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kPause = std::chrono::microseconds(1'000'000 / ApplicationReader::kReadsPerSecond);
constexpr auto kBurst = std::chrono::milliseconds(200);  // that may be made up for
constexpr std::size_t kMaxKnown = 0x4000;

}  // namespace

ApplicationReader::ApplicationReader(ApplicationWishes wishes)
    : wishes_(std::move(wishes)), thread_([this](const std::stop_token& stop) { run(stop); }) {}

void ApplicationReader::want(ApplicationRef application) {
  const std::scoped_lock lock(mutex_);
  if (wanted_.size() < kMaxWaiting) {
    wanted_.push_back(std::move(application));
    changed_.notify_all();
  }
}

void ApplicationReader::wait(std::chrono::milliseconds longest, const std::stop_token& hurry) {
  std::unique_lock lock(mutex_);
  (void)changed_.wait_for(lock, hurry, longest, [this] { return wanted_.empty() && !is_reading_; });
}

void ApplicationReader::take_told(ToldApplications told) {
  const std::scoped_lock lock(mutex_);
  told_ = std::make_shared<const ToldApplications>(std::move(told));
}

ApplicationFactsRef ApplicationReader::intern(ApplicationFacts facts) {
  const std::string key = facts.id + '\0' + facts.metadata;
  if (const auto known = known_.find(key); known != known_.end()) {
    if (ApplicationFactsRef same = known->second.lock()) {
      return same;
    }
  }
  if (known_.size() >= kMaxKnown) {
    std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
  }
  auto fresh = std::make_shared<const ApplicationFacts>(std::move(facts));
  if (known_.size() < kMaxKnown) {
    known_.insert_or_assign(key, fresh);
  }
  return fresh;
}

void ApplicationReader::run(const std::stop_token& stop) {
  Clock::time_point next = Clock::now() - kBurst;
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return !wanted_.empty(); })) {
    const ApplicationRef application = std::move(wanted_.front());
    wanted_.pop_front();
    const auto told = told_;
    is_reading_ = true;
    lock.unlock();
    if (auto facts = read_application(*application, wishes_, *told, files_)) {
      application->tell(intern(*std::move(facts)));
    }
    cpu_time_ = thread_cpu_time();
    lock.lock();
    is_reading_ = false;
    changed_.notify_all();
    next = std::max(next + kPause, Clock::now() - kBurst);
    (void)changed_.wait_until(lock, stop, next, [] { return false; });
  }
}

}  // namespace waggle
