// SPDX-License-Identifier: Apache-2.0
// From the options that say who is profiled to what that is on this host, and `--dry-run`, which
// shows it.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "userspace/cli/record_options.h"
#include "userspace/remote/container_runtime.h"
#include "userspace/select/selection.h"
#include "userspace/select/selection_finder.h"

namespace waggle {

// Says in the log which hierarchy a path was found in.  Errc::not_found: an option's value is
// nothing on this host.
Result<Selection> find_selection(const RecordOptions& options);

// The wish that the options are, and who finds what it is: again and again, for sessions.
SelectionWish wish_of(const RecordOptions& options);
SelectionFinder finder_of(const RecordOptions& options);

// Where names of containers are asked, in this order.
std::vector<ContainerSocket> container_sockets_of(const RecordOptions& options);

// One line for each process: its id, its name, why it would be profiled.  Control characters of
// names are replaced.
Result<std::string> list_selected(const RecordOptions& options, const Selection& selection);

}  // namespace waggle
