// SPDX-License-Identifier: Apache-2.0
#include "userspace/remote/container_names.h"

#include <fmt/core.h>

#include <utility>

#include "base/result.h"
#include "userspace/remote/container_runtime.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxNames = 16384;  // of months; 300 bytes each
constexpr std::size_t kMaxWanted = 4096;
// A runtime that hangs or lies is left alone for so long.
constexpr std::chrono::seconds kPause(30);

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

void ContainerNames::wait(std::chrono::milliseconds longest) {
  std::unique_lock lock(mutex_);
  (void)changed_.wait_for(lock, longest, [this] { return wanted_.empty() && !is_asking_; });
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

// Of all sockets the first that knows it.
ContainerNames::Outcome ContainerNames::ask(const std::string& id, std::string& name,
                                            const std::stop_token& stop) {
  std::string problem;
  bool is_answered = false;
  for (const ContainerSocket& socket : sockets_) {
    if (const auto broken = broken_until_.find(socket.path);
        broken != broken_until_.end() && Clock::now() < broken->second) {
      continue;
    }
    auto answer = ask_container(socket, id, stop);
    if (answer && *answer) {
      name = (*answer)->name;
      return Outcome::answered;
    }
    is_answered |= answer.has_value();
    if (!answer && answer.error().code != Errc::not_found) {
      problem = answer.error().what;
    }
    if (!answer) {
      broken_until_[socket.path] = Clock::now() + kPause;
    }
  }
  if (is_answered && problem.empty()) {
    return Outcome::answered;  // it is another runtime's
  }
  if (!stop.stop_requested()) {
    const std::scoped_lock lock(mutex_);
    if (problem_.empty()) {
      problem_ = problem.empty()
                     ? fmt::format("no container runtime listens at {}", list_sockets(sockets_))
                     : problem;
    }
  }
  return Outcome::failed;
}

void ContainerNames::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return !wanted_.empty(); })) {
    const std::string id = std::move(wanted_.front());
    wanted_.pop_front();
    is_asking_ = true;
    lock.unlock();
    std::string name;
    const Outcome outcome = ask(id, name, stop);
    lock.lock();
    is_asking_ = false;
    if (outcome == Outcome::answered) {
      remember(id, std::move(name));
    } else {
      names_.erase(id);  // asked again when it is wanted again
      std::erase(order_, id);
    }
    changed_.notify_all();
  }
}

}  // namespace waggle
