// SPDX-License-Identifier: Apache-2.0
// Whether a file is async-profiler's library, and whether a JVM can load it.  Not for how it gets
// there: placement.h.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "userspace/process/shared_library.h"
#include "userspace/tools/async_profiler/jvm.h"

namespace waggle {

// The error is one line that tells what the file is instead.
Result<SharedLibrary> read_async_profiler(const std::string& path);

// "4.4", as the library tells it to a person; nothing: it does not.
std::optional<std::string> find_async_profiler_version(std::string_view library);
// The same of a file; an error that of read_async_profiler() if it is none.
Result<std::string> read_async_profiler_version(const std::string& path);

// Why the JVM's C library cannot load a library that needs these; nothing: it can.  Those of
// async-profiler from 4.0 on serve both C libraries, earlier ones are built for one.
std::optional<std::string> why_not_to_load(std::span<const std::string> needed, bool is_musl);

// Whether the JVM holds on to another async-profiler that an earlier waggle has put there: it stays
// loaded under its name, whatever is there by now.
bool has_other_profiler(const Jvm& jvm, const SharedLibrary& library);

}  // namespace waggle
