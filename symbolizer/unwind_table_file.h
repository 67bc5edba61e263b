// SPDX-License-Identifier: Apache-2.0
// An unwind table as bytes that outlive the process that made it.  The numbers of rules do not: the
// rules themselves are in the bytes, and get numbers again.  Not for where such files lie:
// userspace/process/unwind_table_files.h.
//
// Of this machine's byte order: a header (unwind_table_file.cpp), the rules, the nodes, whose rows
// have indexes into these rules in place of numbers, and whose branches have indexes of nodes.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "symbolizer/unwind_table.h"

namespace waggle {

std::string write_unwind_table(const UnwindTable& table, const UnwindRules& rules);

// Errc::malformed: not written by this version, or damaged.  No error leaves rules taken.
Result<UnwindTable> read_unwind_table(Bytes bytes, UnwindRules& rules);

}  // namespace waggle
