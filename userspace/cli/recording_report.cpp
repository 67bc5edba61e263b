// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/recording_report.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <set>
#include <utility>

#include "base/file.h"
#include "userspace/attach/features.h"
#include "userspace/cli/stop_signals.h"
#include "userspace/cli/version.h"
#include "userspace/health/own_cost.h"
#include "userspace/output/collapsed.h"
#include "userspace/output/flame_graph.h"

namespace waggle {

namespace {

double unix_seconds(std::chrono::system_clock::time_point time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

rusage own_usage() {
  rusage usage{};
  (void)::getrusage(RUSAGE_SELF, &usage);  // cannot fail for RUSAGE_SELF
  return usage;
}

// On top of what the engine knows: of its tools, and of the kernel side's maps.
void add_own_overhead(std::optional<double> cpu_s, Overhead& overhead) {
  const rusage usage = own_usage();
  constexpr std::uint64_t kKibibyte = 1024;
  overhead.cpu_s += cpu_s.value_or(own_cpu_seconds());
  overhead.rss_bytes = static_cast<std::uint64_t>(usage.ru_maxrss) * kKibibyte;
}

// Sorted.
std::vector<std::string> containers_of(const Profile& profile) {
  std::set<std::string_view> names;
  for (const auto& [stack, count] : profile.counts()) {
    names.insert(profile.name(stack.container));
  }
  names.erase("");
  return {names.begin(), names.end()};
}

Result<std::string> render(OutputFormat format, const Profile& profile, const ProfileHeader& header,
                           std::string_view title) {
  if (format == OutputFormat::html) {
    return render_flame_graph(profile, {.title = std::string(title), .recording = header.facts});
  }
  return render_col(profile, header);
}

Result<> write_output(const std::string& path, std::string_view text) {
  const StopSignals::Hold hold;
  return path == "-" ? write_all(STDOUT_FILENO, text) : write_file_atomically(path, text);
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

// Makes an unnamed file beside the target: the only test that tells for root too, and one that
// leaves nothing even when we are killed.  Where the file system has no unnamed files, one that is
// removed at once.
Result<> check_output(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
    return fail_errno(path, EISDIR);
  }
  const std::string directory = directory_of(path);
  const UniqueFd probe(::open(directory.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
  if (probe.is_open()) {
    return {};
  }
  const bool is_unsupported = errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL;
  if (!is_unsupported) {
    return fail_errno(path, errno);
  }
  const std::string named = fmt::format("{}.tmp.{}", path, ::getpid());
  const UniqueFd file(
      ::open(named.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.is_open()) {
    return fail_errno(path, errno);
  }
  (void)::unlink(named.c_str());
  return {};
}

}  // namespace

double own_cpu_seconds() {
  return std::chrono::duration<double>(own_cpu_time()).count();
}

std::string host_name() {
  std::string name(256, '\0');
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.c_str() : "this host";
}

std::string render_col(const Profile& profile, ProfileHeader header) {
  header.containers = containers_of(profile);
  for (Profile::ApplicationId id = 1; id < profile.application_count(); ++id) {
    header.application_metadata.push_back(profile.application(id).facts->metadata);
  }
  return render_collapsed(profile, render_header(header), header.application_metadata_enabled);
}

RecordingFacts complete_facts(RecordingFacts of_engine, const RunFacts& run) {
  RecordingFacts facts = std::move(of_engine);
  facts.version = program_version();
  facts.kernel = kernel_release();
  facts.start_time = unix_seconds(run.times.start);
  facts.end_time = unix_seconds(run.times.end);
  facts.engine_reason = run.engine_reason;
  if (facts.frequency == 0) {
    facts.frequency = run.frequency_hz;
  }
  facts.paused_s += run.paused_s;
  facts.command_status = run.command_status;
  add_own_overhead(run.cpu_s, facts.overhead);
  return facts;
}

Result<std::vector<std::string>> write_outputs(const std::vector<OutputTarget>& targets,
                                               const Profile& profile, const ProfileHeader& header,
                                               std::string_view title,
                                               std::chrono::system_clock::time_point end) {
  std::vector<std::string> written;
  for (const OutputTarget& target : targets) {
    const std::string path =
        target.path.empty() ? default_output_name(end, target.format) : target.path;
    const std::string text = TRY(render(target.format, profile, header, title));
    TRY(write_output(path, text));
    if (!target.is_stdout()) {
      written.push_back(path);
    }
  }
  return written;
}

Result<> check_outputs(const std::vector<OutputTarget>& targets) {
  for (const OutputTarget& target : targets) {
    if (!target.is_stdout()) {
      const bool is_default = target.path.empty();
      TRY(check_output(is_default ? "./waggle_<time>.html" : target.path));
    }
  }
  return {};
}

}  // namespace waggle
