// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/engine_choice.h"

#include <fmt/core.h>

#include "base/text.h"
#include "userspace/attach/privileges.h"

namespace waggle {

EngineHost ask_host(const std::string& btf_path) {
  return {.tracing = check_can_trace(), .bpf = check_can_use_bpf(btf_path), .btf_path = btf_path};
}

Result<EngineChoice> choose_engine(Engine wanted, const EngineHost& host) {
  TRY(host.tracing);
  if (wanted == Engine::fallback) {
    return EngineChoice{.is_fallback = true, .reason = "--engine fallback"};
  }
  if (host.bpf) {
    const std::string of = host.btf_path.empty() ? "" : fmt::format(" of {}", host.btf_path);
    return EngineChoice{.is_fallback = false,
                        .reason = fmt::format("BTF{} and BPF are usable", of)};
  }
  if (wanted == Engine::ebpf) {
    return std::unexpected(host.bpf.error());
  }
  return EngineChoice{.is_fallback = true, .reason = host.bpf.error().what};
}

EngineChoice choose_after_refusal(const Error& refusal) {
  constexpr std::size_t kMaxBytes = 300;  // a verifier can say much
  const std::string text = printable(refusal.what);
  return {
      .is_fallback = true,
      .reason = fmt::format("the kernel refused the BPF programs: {}", text.substr(0, kMaxBytes))};
}

}  // namespace waggle
