// SPDX-License-Identifier: Apache-2.0
// The names of containers, asked of their runtimes on a thread of its own: a socket may hang.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "userspace/remote/container_runtime.h"

namespace waggle {

// Any thread.  An answer is kept while the class lives: also when the container is gone.
class ContainerNames {
 public:
  // The thread starts with the first id.  A runtime that hangs, lies or is not there is left alone
  // for `pause`, then it is asked again for all that nobody has named.
  explicit ContainerNames(std::vector<ContainerSocket> sockets,
                          std::chrono::milliseconds pause = std::chrono::seconds(30))
      : sockets_(std::move(sockets)), pause_(pause) {}
  ContainerNames(const ContainerNames&) = delete;
  ContainerNames& operator=(const ContainerNames&) = delete;
  ~ContainerNames() = default;

  // Does not wait.  What is known already is not asked again.
  void want(const std::string& id);
  // Until all that is wanted was asked for once, or the time is over.
  void wait(std::chrono::milliseconds longest, const std::stop_token& hurry = {});
  // "" while it is not known.
  [[nodiscard]] std::string find(std::string_view id) const;

  // What keeps names from being known, once.
  std::optional<std::string> take_problem();

 private:
  using Clock = std::chrono::steady_clock;
  struct Question {
    std::string id;
    std::vector<bool> denied;  // by the socket: its runtime knows no such container
    Clock::time_point again_at = {};
  };

  void run(const std::stop_token& stop);
  bool wait_for_question(std::unique_lock<std::mutex>& lock, const std::stop_token& stop);
  Question take_question();
  std::string ask(Question& question, const std::stop_token& stop);
  void note_problem(std::string problem, const std::stop_token& stop);
  void remember(const std::string& id, std::string name);

  const std::vector<ContainerSocket> sockets_;
  const std::chrono::milliseconds pause_;
  std::unordered_map<std::string, Clock::time_point> broken_until_;  // by path; the thread's alone

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  // The rest is guarded by mutex_.
  std::deque<std::string> wanted_;
  std::deque<Question> open_;                           // to be asked again, the first one next
  std::deque<std::string> order_;                       // of names_, the oldest first
  std::unordered_map<std::string, std::string> names_;  // "": asked, or none
  std::string problem_;
  bool has_told_problem_ = false;
  bool is_asking_ = false;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace waggle
