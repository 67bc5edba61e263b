// SPDX-License-Identifier: Apache-2.0
// Where the time goes until the first sample: record_start_bench.  The steps of Recorder::prepare()
// and start(), each on its own, in their order.
#include <fmt/core.h>

#include <chrono>
#include <string_view>

#include "base/check.h"
#include "symbolizer/vdso.h"
#include "userspace/attach/process_stream.h"
#include "userspace/attach/sampling_event.h"
#include "userspace/process/process_table.h"
#include "userspace/samplers/cpu_sampler.h"

namespace waggle {
namespace {

using Clock = std::chrono::steady_clock;

// Prints how long `step` took; what it returns.
template <class Step>
auto timed(std::string_view name, Step step) {
  const Clock::time_point begin = Clock::now();
  auto result = step();
  const std::chrono::duration<double, std::milli> took = Clock::now() - begin;
  fmt::print("  {:<44}{:>8.1f} ms\n", name, took.count());
  return result;
}

int run() {
  const Clock::time_point begin = Clock::now();
  // This process is sampled too: where all else idles, it is the first sample.
  Result<CpuSampler> sampler = timed("load programs and maps (CpuSampler::load)",
                                     [] { return CpuSampler::load({.skips_itself = false}); });
  if (!sampler) {
    fmt::print(stderr, "{}\n", sampler.error().what);
    return 3;
  }
  const Result<SamplingEvent> event =
      timed("prove an event (choose_sampling_event)", choose_sampling_event);
  CHECK(event);
  const auto stream =
      timed("open the process stream (ProcessStream)", [] { return ProcessStream::open(); });
  CHECK(stream);
  const Result<Module> vdso = timed("names of the vDSO (Resolver)", load_vdso);
  CHECK(vdso);
  ProcessTable processes{ProcFs()};
  CHECK(timed("read all processes (ProcessTable::scan)", [&] { return processes.scan(); }));
  CHECK(timed("start the events (CpuSampler::start)", [&] { return sampler->start(*event); }));
  timed("until a sample was taken", [&] {
    while (sampler->stats()->samples == 0) {
    }
    return true;
  });
  const std::chrono::duration<double, std::milli> took = Clock::now() - begin;
  fmt::print("  {:<44}{:>8.1f} ms, {} processes\n", "sum", took.count(), processes.process_count());
  return 0;
}

}  // namespace
}  // namespace waggle

int main() {
  return waggle::run();
}
