// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/gprofiler_names.h"

#include <algorithm>
#include <array>

namespace waggle {

namespace {

// Sorted, without the dashes.
constexpr auto kOptions = std::to_array<std::string_view>({
    "alloc-interval",
    "api-server",
    "app-id-args-filter",
    "collect-spark-metrics",
    "config",
    "continuous",
    "controller-pid",
    "curlify-requests",
    "databricks-job-name-as-service-name",
    "diagnostics",
    "disable-application-identifiers",
    "disable-application-metadata",
    "disable-container-names",
    "disable-metadata-collection",
    "disable-metrics-collection",
    "disable-pidns-check",
    "dont-disable-core-files",
    "dont-send-logs",
    "dotnet-mode",
    "enable-heartbeat-server",
    "enable-hw-metrics-collection",
    "enable-memory-management",
    "enable-publish-metrics",
    "external-metadata",
    "file-path",
    "flamegraph",
    "glogger-server",
    "heartbeat-file",
    "heartbeat-interval",
    "heartbeat-perf-aggressive-max-containers",
    "heartbeat-perf-aggressive-max-processes",
    "heartbeat-perf-restricted-max-containers",
    "heartbeat-perf-restricted-max-processes",
    "insert-dso-name",
    "java-async-profiler-args",
    "java-async-profiler-features",
    "java-async-profiler-mcache",
    "java-async-profiler-mode",
    "java-async-profiler-no-report-meminfo",
    "java-async-profiler-safemode",
    "java-collect-jvm-flags",
    "java-collect-spark-app-name-as-appid",
    "java-full-hserr",
    "java-include-method-modifiers",
    "java-jattach-timeout",
    "java-line-numbers",
    "java-mode",
    "java-no-version-check",
    "java-safemode",
    "log-file",
    "log-rotate-backup-count",
    "log-rotate-max-size",
    "log-usage",
    "max-processes-runtime-profiler",
    "memory-cleanup-threshold-mb",
    "metrics-server-url",
    "min-profiling-duration",
    "mode",
    "no-dotnet",
    "no-flamegraph",
    "no-java",
    "no-java-async-profiler-buildids",
    "no-nodejs",
    "no-perf",
    "no-php",
    "no-python",
    "no-python-versions",
    "no-ruby",
    "no-verify",
    "nodejs-mode",
    "output-dir",
    "perf-dwarf-stack-size",
    "perf-events",
    "perf-max-cgroups",
    "perf-max-docker-containers",
    "perf-mode",
    "perf-no-memory-restart",
    "perf-use-cgroups",
    "perfspect-duration",
    "perfspect-path",
    "php-mode",
    "php-proc-filter",
    "pid-file",
    "pids",
    "profile-api-version",
    "profile-spawned-processes",
    "profiling-duration",
    "profiling-frequency",
    "pyperf-user-stacks-pages",
    "python-mode",
    "python-pyperf-verbose",
    "python-pyspy-process",
    "python-skip-pyperf-profiler-above",
    "resources-dest",
    "rootless",
    "rotating-output",
    "ruby-mode",
    "server-host",
    "server-upload-timeout",
    "service-name",
    "skip-system-profilers-above",
    "sli-metric-uuid",
    "spark-sample-period",
    "tls-ca-bundle",
    "tls-cert-refresh-enabled",
    "tls-cert-refresh-interval",
    "tls-client-cert",
    "tls-client-key",
    "token",
    "upload-results",
    "verbose",
});
static_assert(std::ranges::is_sorted(kOptions));

constexpr auto kLetters = std::to_array<std::string_view>({"-c", "-d", "-f", "-o", "-u", "-v"});
constexpr auto kVerbs = std::to_array<std::string_view>({"extract-resources", "upload-file"});

}  // namespace

bool is_gprofiler_option(std::string_view word) {
  if (word.starts_with("--")) {
    return std::ranges::binary_search(kOptions, word.substr(2));
  }
  return std::ranges::find(kLetters, word) != kLetters.end();
}

bool is_gprofiler_verb(std::string_view word) {
  return std::ranges::find(kVerbs, word) != kVerbs.end();
}

}  // namespace waggle
