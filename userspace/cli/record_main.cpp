// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/record_main.h"

#include "userspace/cli/record.h"
#include "userspace/cli/record_options.h"
#include "userspace/cli/verbs.h"

namespace waggle {

int record_main(std::span<const std::string> arguments) {
  const Result<RecordOptions> options = parse_record_options(arguments);
  return options ? run_record(*options) : report_usage_error("record", options.error());
}

}  // namespace waggle
