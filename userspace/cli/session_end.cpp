// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/session_end.h"

#include <chrono>
#include <utility>

#include "base/cpu_pacer.h"
#include "base/log.h"
#include "userspace/output/flame_graph.h"
#include "userspace/output/profile_header.h"
#include "userspace/profile/profile.h"

namespace waggle {

namespace {

Result<std::string> render_page(const Profile& profile, const RecordingFacts& facts,
                                EngineGovernor& governor) {
  const std::chrono::nanoseconds begin = thread_cpu_time();
  auto page = render_flame_graph(profile, {.title = host_name(), .recording = facts});
  const std::chrono::duration<double> session(facts.duration_s);
  governor.add_page_time(thread_cpu_time() - begin,
                         std::chrono::duration_cast<std::chrono::nanoseconds>(session));
  return page;
}

Result<> write_profile(const SessionOrder& order, EngineResult result, const Tellers& tellers) {
  ProfileHeader header;
  header.facts = complete_facts(result.facts, order.facts);
  header.facts.excluded.insert(header.facts.excluded.begin(), order.excluded.begin(),
                               order.excluded.end());
  header.container_names_enabled = tellers.containers.is_on();
  header.application_metadata_enabled = tellers.applications.has_metadata();
  header.profiling_mode = profiling_mode_name(order.mode);
  tellers.metadata.fill(header, order.run_arguments);
  header.cpu_avg = order.cpu_avg;
  header.mem_avg = order.mem_avg;
  const Profile profile = tellers.applications.tell(
      tellers.containers.name(std::move(result.profile), ContainerNaming::kPatience, tellers.hurry),
      ApplicationTelling::kPatience, tellers.hurry);
  tellers.applications.take_told(tellers.metadata.read_told());
  if (const auto problem = tellers.containers.take_problem()) {
    LOG_WARNING("{}", *problem);
  }
  if (order.has_flame_graph) {
    auto page = render_page(profile, header.facts, tellers.governor);
    if (page) {
      header.flame_graph_page = *std::move(page);
    } else {
      LOG_WARNING("{}, continuing without a flame graph", page.error().what);
    }
  }
  const std::string text = render_col(profile, header);
  for (const std::string& path :
       TRY(write_session(order.files, order.facts.times.end, text, header.flame_graph_page))) {
    LOG_INFO("Saved {} to {}", path.ends_with(".col") ? "collapsed stacks" : "flamegraph", path);
  }
  return {};
}

// Of one session, on whatever way it ends.
class Ended {
 public:
  explicit Ended(SessionCounters& counters) : counters_(counters) {}
  Ended(const Ended&) = delete;
  Ended& operator=(const Ended&) = delete;
  ~Ended() { --counters_.unended; }

 private:
  SessionCounters& counters_;
};

// Of one session, likewise.
class WritingTime {
 public:
  explicit WritingTime(EngineGovernor& governor) : governor_(governor) {}
  WritingTime(const WritingTime&) = delete;
  WritingTime& operator=(const WritingTime&) = delete;
  ~WritingTime() { governor_.add_writing_time(thread_cpu_time() - begin_); }

 private:
  EngineGovernor& governor_;
  std::chrono::nanoseconds begin_ = thread_cpu_time();
};

}  // namespace

void end_session(const SessionOrder& order, SessionEnd& end, SessionCounters& counters,
                 const Tellers& tellers) {
  const Ended ended(counters);
  const WritingTime writing(tellers.governor);
  auto result = end();
  if (!result) {
    ++counters.failed;
    LOG_ERROR("{}: the session is lost, continuing with the next", result.error().what);
    return;
  }
  for (const std::string& warning : result->warnings) {
    tellers.told.warn(warning);
  }
  if (const Result<> written = write_profile(order, *std::move(result), tellers); !written) {
    ++counters.unwritten;
    LOG_ERROR("{}: the session is lost, continuing with the next", written.error().what);
    return;
  }
  ++counters.written;
}

}  // namespace waggle
