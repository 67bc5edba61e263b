// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/async_profiler/jattach.h"

#include <fmt/core.h>
#include <signal.h>
#include <unistd.h>

#include <cstddef>
#include <vector>

#include "userspace/process/proc_fs.h"
#include "userspace/tools/async_profiler/attach.h"
#include "userspace/tools/target_root.h"

namespace waggle {

Result<int> parse_jattach_output(std::string_view text) {
  constexpr std::string_view kReply = "JVM response code = ";
  const std::size_t at = text.find(kReply);
  if (at == std::string_view::npos) {
    return fail(Errc::malformed, "jattach has told no answer of the JVM");
  }
  return parse_load_reply(text.substr(at + kReply.size()));
}

Result<JattachLoad> JattachLoad::start(const Jvm& jvm, const std::string& jattach,
                                       const std::string& library, const std::string& options,
                                       Clock::time_point deadline,
                                       const std::function<void(pid_t)>& add_own) {
  // Of this process still, whoever has its pid by the time jattach looks.
  const auto status = read_status_at(jvm.directory.get());
  if (!status || !status->catches(SIGQUIT)) {
    return fail(Errc::not_found, "the JVM has ended");
  }
  auto output = std::make_unique<std::string>();
  const std::vector<std::string> command = {
      jattach, std::to_string(jvm.pid), "load", library, "true", options};
  SupervisedTool tool =
      TRY(SupervisedTool::start(command, {}, [text = output.get()](std::string_view piece) {
        const std::size_t room = JvmLoad::kMaxReplyBytes + 1 - text->size();
        text->append(piece.substr(0, room));
      }));
  if (add_own) {
    add_own(tool.pid());
  }
  return JattachLoad(jvm, std::move(tool), std::move(output), deadline);
}

JattachLoad::~JattachLoad() {
  if (output_ != nullptr) {
    end();
  }
}

std::optional<Result<int>> JattachLoad::poll() {
  tool_.read();
  if (tool_.wait_until(Clock::now())) {
    const ToolEnd end = *tool_.poll_end();
    has_ended_ = true;
    cpu_time_ = end.cpu_time;
    return answer(end);
  }
  if (output_->size() > JvmLoad::kMaxReplyBytes) {
    end();
    return fail(Errc::exhausted, "jattach prints without end");
  }
  if (Clock::now() >= deadline_) {
    return fail(Errc::exhausted, give_up());
  }
  return std::nullopt;
}

std::string JattachLoad::give_up() {
  end();
  return "the JVM does not answer, jattach had to be killed";
}

// Kills it, if that is needed.
void JattachLoad::end() {
  if (!has_ended_) {
    has_ended_ = true;
    cpu_time_ = tool_.kill().cpu_time;
    remove_trigger();
  }
}

Result<int> JattachLoad::answer(const ToolEnd& end) const {
  const auto code = parse_jattach_output(*output_);
  // The low byte of the library's code is its exit status; only a failure may come without a text.
  const bool is_told = code && (*code != 0 || end.is_ok());
  const bool is_refused = !code && code.error().code == Errc::system;
  if (is_told || is_refused) {
    return code;
  }
  if (end.is_ok()) {
    return std::unexpected(code.error());
  }
  remove_trigger();
  return fail(Errc::system,
              fmt::format("jattach {}: {}", end.text(), last_line_of(tool_.last_words())));
}

// Left there, a later SIGQUIT would not print the JVM's threads but wait for one more to attach.
void JattachLoad::remove_trigger() const {
  const std::string name = fmt::format(".attach_pid{}", jvm_->status.innermost_pid);
  (void)::unlinkat(jvm_->directory.get(), ("cwd/" + name).c_str(), 0);
  const auto root = jvm_->open_root();
  if (const auto temporary = root ? open_directory_in_root(root->get(), "/tmp")
                                  : Result<UniqueFd>(std::unexpected(root.error()))) {
    (void)::unlinkat(temporary->get(), name.c_str(), 0);
  }
}

}  // namespace waggle
