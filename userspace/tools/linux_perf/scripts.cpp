// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/linux_perf/scripts.h"

#include <fmt/core.h>

namespace waggle {

// `process` is the program's own object: what is kept there is found again by a later waggle.
const std::string_view kDescribeNode = R"js((() => {
  const kept = process[Symbol.for('waggle.linux-perf')];
  return JSON.stringify({pid: process.pid, version: process.versions.node,
                         place: kept && kept.place || ''});
})())js";

// The timer holds nothing up: it is unref'ed.  Whether waggle lives it tells by the directory, that
// waggle touches, and compares no clocks.
constexpr std::string_view kStart = R"js((() => {{
  const place = '{0}', fs = require('fs'), key = Symbol.for('waggle.linux-perf');
  let kept = process[key];
  if (!kept) {{
    const module = {{exports: {{}}}};
    process.dlopen(module, '{1}');
    kept = {{perf: new module.exports.LinuxPerf(), place: '', end: () => {{}}}};
    Object.defineProperty(process, key, {{value: kept, configurable: true}});
  }}
  kept.end();
  let seen = 0, missed = 0;
  const timer = require('timers').setInterval(() => {{
    let touched = seen;
    try {{ touched = fs.statSync(place).mtimeMs; }} catch (gone) {{ missed = {3}; }}
    missed = touched === seen ? missed + 1 : 0;
    seen = touched;
    if (missed < {3}) return;
    kept.end();
    try {{ fs.unlinkSync('/tmp/perf-' + process.pid + '.map'); }} catch (gone) {{}}
    try {{ fs.unlinkSync('{1}'); }} catch (gone) {{}}
    try {{ fs.rmdirSync(place); }} catch (gone) {{}}
  }}, {2});
  timer.unref();
  kept.place = place;
  kept.end = () => {{
    clearInterval(timer);
    kept.perf.stop();
    kept.place = '';
    kept.end = () => {{}};
  }};
  if (!kept.perf.start()) {{
    kept.end();
    throw new Error('linux-perf does not start');
  }}
  return 'started';
}})())js";

constexpr std::string_view kStop = R"js((() => {{
  const kept = process[Symbol.for('waggle.linux-perf')];
  if (!kept || kept.place !== '{}') return 'none';
  kept.end();
  return 'stopped';
}})())js";

// inspector.close() would be one more require().
const std::string_view kCloseInspector = "process._debugEnd()";

std::string start_logging(std::string_view place, std::string_view library,
                          std::chrono::seconds patience) {
  constexpr int kLooks = 6;  // while the patience lasts
  const auto interval = std::chrono::milliseconds(patience) / kLooks;
  return fmt::format(kStart, place, library, interval.count(), kLooks);
}

std::string stop_logging(std::string_view place) {
  return fmt::format(kStop, place);
}

}  // namespace waggle
