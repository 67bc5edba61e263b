// SPDX-License-Identifier: Apache-2.0
// Every BPF object loads on this kernel.  Prints what the verifier did; tests/vm runs it on each
// kernel of the matrix.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include "userspace/attach/features.h"
#include "userspace/samplers/cpu_sampler.h"

namespace waggle {
namespace {

// program_count: without the one that only some kernels have.
void expect_loads(const CpuSamplerOptions& options, std::size_t program_count) {
  const Result<CpuSampler> sampler = CpuSampler::load(options);
  ASSERT_TRUE(sampler) << sampler.error().what;
  const auto programs = sampler->programs();
  EXPECT_EQ(programs.size(), program_count + (can_trace_function(kMmapFunction) ? 1 : 0));
  for (const auto& program : programs) {
    fmt::print("object cpu_sampler: {} verified {} instructions\n", program.name,
               program.verified_instructions);
  }
}

TEST(CpuSamplerObject, loads_for_the_whole_host) {
  expect_loads({}, 3);
}

TEST(CpuSamplerObject, loads_with_every_feature) {
  expect_loads({.is_pid_filtered = true, .follows_children = true, .counts_threads = true}, 5);
}

}  // namespace
}  // namespace waggle
