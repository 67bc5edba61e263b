// SPDX-License-Identifier: Apache-2.0
#include "userspace/remote/container_names.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/result.h"
#include "userspace/remote/container_runtime.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxNames = 16384;  // of months; 300 bytes each
constexpr std::size_t kMaxWanted = 4096;

}  // namespace

void ContainerNames::want(const std::string& id) {
  const std::scoped_lock lock(mutex_);
  if (sockets_.empty() || names_.contains(id) || wanted_.size() >= kMaxWanted) {
    return;
  }
  remember(id, "");
  wanted_.push_back(id);
  if (!thread_.joinable()) {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
  changed_.notify_all();
}

// With mutex_ held.
void ContainerNames::remember(const std::string& id, std::string name) {
  const auto [known, is_new] = names_.insert_or_assign(id, std::move(name));
  if (!is_new) {
    return;
  }
  order_.push_back(id);
  if (order_.size() > kMaxNames) {
    names_.erase(order_.front());
    order_.pop_front();
  }
}

void ContainerNames::wait(std::chrono::milliseconds longest, const std::stop_token& hurry) {
  std::unique_lock lock(mutex_);
  (void)changed_.wait_for(lock, hurry, longest, [this] { return wanted_.empty() && !is_asking_; });
}

std::string ContainerNames::find(std::string_view id) const {
  const std::scoped_lock lock(mutex_);
  const auto known = names_.find(std::string(id));
  return known == names_.end() ? "" : known->second;
}

std::optional<std::string> ContainerNames::take_problem() {
  const std::scoped_lock lock(mutex_);
  if (problem_.empty() || std::exchange(has_told_problem_, true)) {
    return std::nullopt;
  }
  return problem_;
}

// Of all sockets the first that knows it; "": none does, or not all could be asked.
std::string ContainerNames::ask(Question& question, const std::stop_token& stop) {
  std::string problem;
  for (std::size_t i = 0; i < sockets_.size(); ++i) {
    const ContainerSocket& socket = sockets_[i];
    Clock::time_point& broken_until = broken_until_[socket.path];
    if (question.denied[i] || Clock::now() < broken_until) {
      continue;
    }
    const auto answer = ask_container(socket, question.id, stop);
    if (answer && *answer) {
      return (*answer)->name;
    }
    question.denied[i] = answer.has_value();
    if (!answer) {
      broken_until = Clock::now() + pause_;
    }
    if (!answer && answer.error().code != Errc::not_found) {
      problem = answer.error().what;
    }
  }
  if (problem.empty() && std::ranges::find(question.denied, true) == question.denied.end()) {
    problem = fmt::format("no container runtime listens at {}", list_sockets(sockets_));
  }
  note_problem(std::move(problem), stop);
  return "";
}

void ContainerNames::note_problem(std::string problem, const std::stop_token& stop) {
  const std::scoped_lock lock(mutex_);
  if (problem_.empty() && !stop.stop_requested()) {
    problem_ = std::move(problem);
  }
}

// What is new comes first.  With mutex_ held.
ContainerNames::Question ContainerNames::take_question() {
  Question question;
  if (wanted_.empty()) {
    question = std::move(open_.front());
    open_.pop_front();
  } else {
    question = {.id = std::move(wanted_.front()), .denied = std::vector<bool>(sockets_.size())};
    wanted_.pop_front();
    is_asking_ = true;  // wait() is for these alone
  }
  return question;
}

// False: it is to end.
bool ContainerNames::wait_for_question(std::unique_lock<std::mutex>& lock,
                                       const std::stop_token& stop) {
  while (!stop.stop_requested() && wanted_.empty()) {
    if (open_.empty()) {
      (void)changed_.wait(lock, stop, [this] { return !wanted_.empty(); });
    } else if (const Clock::time_point at = open_.front().again_at; Clock::now() < at) {
      (void)changed_.wait_until(lock, stop, at, [this] { return !wanted_.empty(); });
    } else {
      return true;
    }
  }
  return !stop.stop_requested();
}

void ContainerNames::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (wait_for_question(lock, stop)) {
    Question question = take_question();
    lock.unlock();
    std::string name = ask(question, stop);
    lock.lock();
    is_asking_ = false;
    const bool is_open =
        name.empty() && std::ranges::find(question.denied, false) != question.denied.end();
    remember(question.id, std::move(name));
    if (is_open) {
      question.again_at = Clock::now() + pause_;
      open_.push_back(std::move(question));
    }
    if (open_.size() > kMaxWanted) {
      names_.erase(open_.front().id);  // asked again when it is wanted again
      std::erase(order_, open_.front().id);
      open_.pop_front();
    }
    changed_.notify_all();
  }
}

}  // namespace waggle
