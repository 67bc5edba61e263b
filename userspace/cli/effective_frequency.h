// SPDX-License-Identifier: Apache-2.0
// The one frequency of a session that was sampled at several: its samples / it = the CPU seconds
// that all of them stand for.  Pure.
#pragma once

#include <algorithm>
#include <cstdint>

namespace waggle {

class EffectiveFrequency {
 public:
  // `samples`: so far, here and below; it may have begun anew.
  void begin(int frequency_hz, std::uint64_t samples) {
    *this = {};
    frequency_hz_ = frequency_hz;
    from_ = samples;
  }
  // Samples from now on are of another frequency.
  void change(int frequency_hz, std::uint64_t samples) {
    if (frequency_hz == frequency_hz_) {
      return;
    }
    count(samples);
    frequency_hz_ = frequency_hz;
    is_mixed_ = true;
  }
  // Of all since begin() or take(); the last one where there was no sample.
  double take(std::uint64_t samples) {
    count(samples);
    const double frequency =
        is_mixed_ && cpu_s_ > 0 ? static_cast<double>(samples_) / cpu_s_ : frequency_hz_;
    begin(frequency_hz_, samples);
    return frequency;
  }

 private:
  void count(std::uint64_t samples) {
    const std::uint64_t more = samples - std::min(samples, from_);
    samples_ += more;
    cpu_s_ += frequency_hz_ == 0 ? 0 : static_cast<double>(more) / frequency_hz_;
    from_ = samples;
  }

  int frequency_hz_ = 0;
  bool is_mixed_ = false;
  std::uint64_t from_ = 0;
  std::uint64_t samples_ = 0;
  double cpu_s_ = 0;
};

}  // namespace waggle
