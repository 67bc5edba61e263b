// SPDX-License-Identifier: Apache-2.0
#include "base/cpu_pacer.h"

#include <algorithm>
#include <ctime>

namespace waggle {

namespace {

using std::chrono::nanoseconds;

// What was not used is kept for so long.
constexpr std::chrono::seconds kKept(5);

}  // namespace

nanoseconds thread_cpu_time() {
  timespec time{};
  (void)::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);  // cannot fail for this clock
  return std::chrono::seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

void CpuPacer::earn(Clock::time_point now) {
  if (a_second_ && now > earned_) {
    const std::chrono::duration<double> passed = now - earned_;
    const auto earned = std::chrono::duration_cast<nanoseconds>(*a_second_ * passed.count());
    // A credit that was given may be more than what is kept: it does not grow.
    credit_ = std::max(credit_, std::min(credit_ + earned, *a_second_ * kKept.count()));
  }
  earned_ = now;
}

void CpuPacer::limit(std::optional<nanoseconds> a_second, Clock::time_point now,
                     nanoseconds credit) {
  const std::scoped_lock lock(mutex_);
  earn(now);
  a_second_ = a_second;
  credit_ += credit;
}

bool CpuPacer::may_begin(Clock::time_point now) {
  const std::scoped_lock lock(mutex_);
  earn(now);
  return !a_second_ || credit_ > nanoseconds(0);
}

void CpuPacer::charge(nanoseconds used) {
  const std::scoped_lock lock(mutex_);
  used_ += used;
  if (a_second_) {
    credit_ -= used;
  }
}

nanoseconds CpuPacer::used() const {
  const std::scoped_lock lock(mutex_);
  return used_;
}

}  // namespace waggle
