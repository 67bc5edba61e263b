// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/dotnet_trace/speedscope.h"

#include <fmt/core.h>
#include <nlohmann/json.hpp>
#include <stdio.h>
#include <unistd.h>

#include <charconv>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

namespace waggle {

namespace {

using Json = nlohmann::json;

constexpr double kMaxMs = 1e12;  // thirty years

// Reads the file as it comes, so that of its events nothing is kept but the times of stacks.
class Reader {
 public:
  using number_integer_t = Json::number_integer_t;
  using number_unsigned_t = Json::number_unsigned_t;
  using number_float_t = Json::number_float_t;
  using string_t = Json::string_t;
  using binary_t = Json::binary_t;

  // What nlohmann::json::sax_parse() calls; false ends it.
  bool null() { return true; }
  bool boolean(bool) { return true; }
  bool number_integer(number_integer_t value) { return take_number(static_cast<double>(value)); }
  bool number_unsigned(number_unsigned_t value) { return take_number(static_cast<double>(value)); }
  bool number_float(number_float_t value, const string_t&) { return take_number(value); }
  bool string(string_t& value) { return take_text(value); }
  bool binary(binary_t&) { return true; }
  bool key(string_t& value) {
    if (path_.size() <= kMaxPath) {
      path_.back() = value;
    }
    return true;
  }
  bool start_object(std::size_t) { return enter("{"); }
  bool start_array(std::size_t) { return enter("["); }
  bool end_object() {
    const bool is_good = !is_event() || take_event();
    leave();
    return is_good && (!is_profile_ended() || end_profile());
  }
  bool end_array() {
    leave();
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) {
    return refuse("no JSON");
  }

  Result<> hand_out(int frequency_hz, const OnSpeedscopeStack& on_stack) const;
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  using Stack = std::vector<std::uint32_t>;  // of frames, root first

  // Deeper than what is read: its keys do not count.
  static constexpr std::size_t kMaxPath = 8;

  bool refuse(std::string_view what, Errc code = Errc::malformed) {
    if (!error_) {
      error_ = Error{code, std::string(what)};
    }
    return false;
  }

  // The keys that lead here; "[" in an array.
  bool enter(std::string_view what) {
    ++depth_;
    if (path_.size() <= kMaxPath) {
      path_.emplace_back(what);
    }
    if (is_event()) {
      event_ = {};
    }
    return true;
  }
  void leave() {
    --depth_;
    if (depth_ < path_.size()) {
      path_.pop_back();
    }
  }

  [[nodiscard]] bool is_at(std::initializer_list<std::string_view> keys) const {
    return depth_ == keys.size() &&
           std::equal(path_.begin(), path_.end(), keys.begin(), keys.end());
  }
  // In { "profiles": [ { "events": [ { ... } ] } ] } an object of the inner array.
  [[nodiscard]] bool is_event() const {
    return depth_ == 5 && path_.size() == 5 && path_[0] == "profiles" && path_[1] == "[" &&
           path_[2] == "events" && path_[3] == "[";
  }
  [[nodiscard]] bool is_in_profile(std::string_view key) const {
    return is_at({"profiles", "[", key});
  }
  [[nodiscard]] bool is_profile_ended() const { return is_at({"profiles", "["}); }

  bool take_number(double value);
  bool take_text(const std::string& value);
  bool take_event();
  bool end_profile();
  bool spend_until(double at_ms);

  struct Event {
    char type = 0;
    std::optional<double> frame;
    std::optional<double> at_ms;
  };

  std::vector<std::string> path_;
  std::size_t depth_ = 0;
  std::vector<std::string> names_;  // of frames
  std::size_t name_bytes_ = 0;
  Event event_;
  // Of the profile.
  Stack stack_;
  std::optional<double> last_ms_;
  bool has_type_ = false;
  bool has_unit_ = false;
  std::map<Stack, double> times_ms_;
  std::size_t stack_frames_ = 0;  // of all keys
  std::optional<Error> error_;
};

bool Reader::take_number(double value) {
  if (is_event()) {
    if (path_.back() == "frame") {
      event_.frame = value;
    } else if (path_.back() == "at") {
      event_.at_ms = value;
    }
  } else if (is_in_profile("startValue")) {
    return spend_until(value);
  }
  return true;
}

bool Reader::take_text(const std::string& value) {
  if (is_event()) {
    if (path_.back() == "type") {
      event_.type = value.size() == 1 ? value.front() : '?';
    }
  } else if (is_at({"shared", "frames", "[", "name"})) {
    name_bytes_ += value.size();
    if (names_.size() == SpeedscopeLimits::kMaxFrames ||
        name_bytes_ > SpeedscopeLimits::kMaxNameBytes) {
      return refuse("more names of frames than we read", Errc::exhausted);
    }
    names_.push_back(value);
  } else if (is_in_profile("type")) {
    has_type_ = value == "evented";
  } else if (is_in_profile("unit")) {
    has_unit_ = value == "milliseconds";
  } else if (is_in_profile("startValue")) {
    double start = 0;
    const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), start);
    const bool is_number = failed == std::errc() && end == value.data() + value.size();
    return is_number ? spend_until(start) : refuse("a start that is no number");
  }
  return true;
}

// The time since the last event was spent in the stack as it is.
bool Reader::spend_until(double at_ms) {
  if (!std::isfinite(at_ms) || std::abs(at_ms) > kMaxMs || (last_ms_ && at_ms < *last_ms_)) {
    return refuse("times that do not go on");
  }
  const double spent_ms = last_ms_ ? at_ms - *last_ms_ : 0;
  last_ms_ = at_ms;
  if (stack_.empty() || spent_ms <= 0) {
    return true;
  }
  const auto known = times_ms_.find(stack_);
  if (known != times_ms_.end()) {
    known->second += spent_ms;
    return true;
  }
  stack_frames_ += stack_.size();
  if (times_ms_.size() == SpeedscopeLimits::kMaxStacks ||
      stack_frames_ > SpeedscopeLimits::kMaxStackFrames) {
    return refuse("more stacks than we keep", Errc::exhausted);
  }
  times_ms_.emplace(stack_, spent_ms);
  return true;
}

bool Reader::take_event() {
  const bool is_whole = event_.frame && event_.at_ms && *event_.frame >= 0 &&
                        *event_.frame < static_cast<double>(SpeedscopeLimits::kMaxFrames) &&
                        std::trunc(*event_.frame) == *event_.frame;
  if (!is_whole) {
    return refuse("an event without frame or time");
  }
  const auto frame = static_cast<std::uint32_t>(*event_.frame);
  if (!spend_until(*event_.at_ms)) {
    return false;
  }
  if (event_.type == 'O') {
    if (stack_.size() == SpeedscopeLimits::kMaxDepth) {
      return refuse("deeper stacks than we read", Errc::exhausted);
    }
    stack_.push_back(frame);
    return true;
  }
  if (event_.type != 'C' || stack_.empty() || stack_.back() != frame) {
    return refuse("an event that closes no frame");
  }
  stack_.pop_back();
  return true;
}

bool Reader::end_profile() {
  if (!has_type_ || !has_unit_) {
    return refuse("a profile that is no evented one in milliseconds");
  }
  stack_.clear();
  last_ms_.reset();
  has_type_ = has_unit_ = false;
  return true;
}

Result<> Reader::hand_out(int frequency_hz, const OnSpeedscopeStack& on_stack) const {
  for (const auto& [stack, time_ms] : times_ms_) {
    for (const std::uint32_t frame : stack) {
      if (frame >= names_.size()) {
        return fail(Errc::malformed, "a frame without a name");
      }
    }
  }
  constexpr double kMsPerSecond = 1000;
  double samples = 0;  // not handed out yet
  SpeedscopeStack handed{};
  for (const auto& [stack, time_ms] : times_ms_) {
    samples += time_ms * frequency_hz / kMsPerSecond;
    handed.count = static_cast<std::uint64_t>(std::max(0.0, std::floor(samples + 0.5)));
    samples -= static_cast<double>(handed.count);
    handed.frames.clear();
    for (const std::uint32_t frame : stack) {
      handed.frames.emplace_back(names_[frame]);
    }
    if (handed.count != 0) {
      on_stack(handed);
    }
  }
  return {};
}

template <class Input>
Result<> read_json(Input&& input, int frequency_hz, const OnSpeedscopeStack& on_stack) {
  Reader reader;
  const bool is_read = Json::sax_parse(std::forward<Input>(input), &reader);
  if (reader.error()) {
    return std::unexpected(*reader.error());
  }
  if (!is_read) {
    return fail(Errc::malformed, "no JSON");
  }
  return reader.hand_out(frequency_hz, on_stack);
}

struct FileCloser {
  void operator()(FILE* file) const { (void)::fclose(file); }  // it was only read
};

}  // namespace

Result<> read_speedscope(UniqueFd file, int frequency_hz, const OnSpeedscopeStack& on_stack) {
  const std::unique_ptr<FILE, FileCloser> stream(::fdopen(file.get(), "r"));
  if (stream == nullptr) {
    return fail_errno("fdopen", errno);
  }
  (void)file.release();  // the stream's now
  return read_json(stream.get(), frequency_hz, on_stack);
}

Result<> read_speedscope(std::string_view text, int frequency_hz,
                         const OnSpeedscopeStack& on_stack) {
  return read_json(text, frequency_hz, on_stack);
}

std::string dotnet_frame_text(std::string_view name) {
  return std::string(name) + "_[net]";
}

}  // namespace waggle
