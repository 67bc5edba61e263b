// SPDX-License-Identifier: Apache-2.0
// From what call frame information says of a row to the rule of the wire (bpf/abi/unwind.h).
// What a rule cannot say (longjmp's last instructions, offsets that pass its fields) is
// UNW_CFA_UNSUPPORTED, or UNW_SAVED_LOST where the frame pointer alone is concerned.
#pragma once

#include "base/bytes.h"
#include "bpf/abi/unwind.h"
#include "symbolizer/cfi_program.h"

namespace waggle {

unw_rule rule_of(const CfiState& state, const CfiContext& context);

// The place that DW_CFA_expression names.
CfiLocation location_of_expression(Bytes expression, const CfiRegisters& registers);

}  // namespace waggle
