// SPDX-License-Identifier: Apache-2.0
// Which engine records on this host, and why.  Not for running it: record_engine.h.
#pragma once

#include <string>

#include "base/result.h"
#include "userspace/cli/record_options.h"

namespace waggle {

struct EngineChoice {
  bool is_fallback;
  std::string reason;  // one line; a remedy may follow it
};

// What the host was found to allow.
struct EngineHost {
  Result<> tracing;  // perf events: without them nothing records
  Result<> bpf;
  std::string btf_path = "";  // of --btf
};

// btf_path: as --btf names it, or "".
EngineHost ask_host(const std::string& btf_path);

// The error, of what an engine that was asked for cannot do without, names the remedy.
Result<EngineChoice> choose_engine(Engine wanted, const EngineHost& host);

// After BPF was allowed and the programs were refused all the same: the verifier, a hook that is
// not there.
EngineChoice choose_after_refusal(const Error& refusal);

}  // namespace waggle
