// SPDX-License-Identifier: Apache-2.0
// `waggle top` on a program of known shape, as lines and on a terminal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include <array>
#include <chrono>
#include <csignal>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {
namespace {

using std::chrono::seconds;
using testing::Contains;
using testing::HasSubstr;
using testing::Key;
using testing::Not;
using Words = std::vector<std::string>;

// Self time by name, of the last look in plain lines.
std::map<std::string, double> last_look(const std::string& text) {
  const std::size_t heading = text.rfind("function\n");
  std::map<std::string, double> rows;
  if (heading == std::string::npos) {
    return rows;
  }
  for (const std::string_view line : split(std::string_view(text).substr(heading + 9), '\n')) {
    constexpr std::size_t kName = 21;  // "      1.5     101.5  main"
    if (line.size() > kName) {
      rows[std::string(line.substr(kName))] = std::stod(std::string(line));
    }
  }
  return rows;
}

TEST(Top, has_the_shares_of_a_program) {
  const TestProgram program({SHARES});
  const WaggleResult result =
      run_waggle({"top", "-p", std::to_string(program.pid()), "-F", "499", "-d", "4"});
  ASSERT_EQ(result.status, 0) << result.err;
  const auto rows = last_look(result.out);
  ASSERT_THAT(rows, Contains(Key("sixty_percent"))) << result.out;
  const double whole =
      rows.at("sixty_percent") + rows.at("thirty_percent") + rows.at("ten_percent");
  EXPECT_GT(whole, 20);   // of a CPU, however busy the host is
  EXPECT_LT(whole, 105);  // it has one thread
  EXPECT_NEAR(rows.at("sixty_percent") / whole, 0.6, 0.08);
  EXPECT_NEAR(rows.at("thirty_percent") / whole, 0.3, 0.08);
  EXPECT_THAT(result.out, HasSubstr(" lost 0\n"));
  EXPECT_THAT(result.out, Not(HasSubstr("\x1b")));
}

TEST(Top, counts_processes_where_it_is_asked_to) {
  const TestProgram program({SHARES});
  const WaggleResult result =
      run_waggle({"top", "-d", "2", "--by", "processes", "--filter", "SHARES"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("  shares\n"));
}

TEST(Top, ends_on_a_signal_and_leaves_nothing) {
  WaggleRun run({"top", "-d", "60"});
  std::this_thread::sleep_for(seconds(3));
  ASSERT_EQ(::kill(run.pid(), SIGTERM), 0);
  const WaggleResult result = run.wait();
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_LT(result.took, seconds(6));
  EXPECT_THAT(result.out, HasSubstr("function\n"));
}

TEST(Top, says_which_privilege_is_missing) {
  const WaggleResult result =
      run_waggle({"top", "-d", "1"}, {"setpriv", "--reuid=65534", "--clear-groups"});
  EXPECT_EQ(result.status, 3);
  EXPECT_THAT(result.err, HasSubstr("top: "));
  EXPECT_EQ(result.out, "");
}

TEST(Top, of_no_process_is_refused) {
  const WaggleResult result = run_waggle({"top", "-p", "999999999"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("999999999"));
}

// waggle on a terminal of 24 lines.
class Screen {
 public:
  explicit Screen(Words words) {
    words.insert(words.begin(), WAGGLE_PROGRAM);
    std::vector<char*> argv;
    for (std::string& word : words) {
      argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    winsize size{};
    size.ws_row = 24;
    size.ws_col = 100;
    int master = -1;
    int slave = -1;
    CHECK(::openpty(&master, &slave, nullptr, nullptr, &size) == 0);
    master_ = UniqueFd(master);
    slave_ = UniqueFd(slave);
    CHECK(::fcntl(master, F_SETFD, FD_CLOEXEC) == 0);
    pid_ = ::fork();
    CHECK(pid_ >= 0);
    if (pid_ == 0) {
      CHECK(::login_tty(::dup(slave)) == 0);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;
  ~Screen() {
    if (pid_ > 0) {
      (void)::kill(pid_, SIGKILL);
      (void)::waitpid(pid_, nullptr, 0);
    }
  }

  // Reads what is shown until it has `text`.
  bool shows(std::string_view text, seconds limit = seconds(10)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (seen_.find(text) == std::string::npos) {
      if (std::chrono::steady_clock::now() > end) {
        return false;
      }
      read_some();
    }
    seen_.erase(0, seen_.find(text) + text.size());
    return true;
  }
  void press(std::string_view keys) {
    CHECK(::write(master_.get(), keys.data(), keys.size()) == static_cast<ssize_t>(keys.size()));
  }
  // The exit status, or nothing after ten seconds.
  std::optional<int> wait() {
    constexpr int kLooks = 100;
    for (int i = 0; i < kLooks; ++i) {
      read_some();
      int status = 0;
      if (::waitpid(pid_, &status, WNOHANG) == pid_) {
        pid_ = -1;
        read_some();
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
      }
    }
    return std::nullopt;
  }
  // Whether letters are shown as they are typed, as before.
  [[nodiscard]] bool echoes() const {
    termios now{};
    CHECK(::tcgetattr(slave_.get(), &now) == 0);
    return (now.c_lflag & ECHO) != 0 && (now.c_lflag & ICANON) != 0;
  }
  [[nodiscard]] const std::string& rest() const { return seen_; }
  void signal(int number) const { CHECK(::kill(pid_, number) == 0); }

 private:
  void read_some() {
    pollfd wanted{.fd = master_.get(), .events = POLLIN, .revents = 0};
    constexpr int kMilliseconds = 100;
    if (::poll(&wanted, 1, kMilliseconds) == 1) {
      std::array<char, 65536> bytes{};
      const ssize_t count = ::read(master_.get(), bytes.data(), bytes.size());
      seen_.append(bytes.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
    }
  }

  UniqueFd master_;
  UniqueFd slave_;
  pid_t pid_ = -1;
  std::string seen_;  // and not asked for yet
};

TEST(TopScreen, obeys_its_keys_and_gives_the_terminal_back) {
  const TestProgram program({SHARES});
  Screen screen({"top", "-p", std::to_string(program.pid())});
  EXPECT_TRUE(screen.shows("\x1b[?1049h"));
  EXPECT_TRUE(screen.shows("sixty_percent"));
  EXPECT_FALSE(screen.echoes());
  screen.press("p");
  EXPECT_TRUE(screen.shows("CPU %  process"));
  EXPECT_TRUE(screen.shows("  shares"));
  screen.press("f/TEN_\r");
  EXPECT_TRUE(screen.shows("only: TEN_"));
  EXPECT_TRUE(screen.shows("ten_percent"));
  screen.press(" ");
  EXPECT_TRUE(screen.shows("(paused)"));
  screen.press("?");
  EXPECT_TRUE(screen.shows("by function, by process, by container"));
  screen.press("q");
  EXPECT_EQ(screen.wait(), 0);
  EXPECT_THAT(screen.rest(), HasSubstr("\x1b[?1049l"));
  EXPECT_TRUE(screen.echoes());
}

TEST(TopScreen, gives_the_terminal_back_after_a_signal) {
  Screen screen({"top"});
  EXPECT_TRUE(screen.shows("function"));
  screen.press("\x03");  // Ctrl-C
  EXPECT_EQ(screen.wait(), 0);
  EXPECT_TRUE(screen.echoes());
  Screen other({"top"});
  EXPECT_TRUE(other.shows("function"));
  other.signal(SIGTERM);
  EXPECT_EQ(other.wait(), 0);
  EXPECT_TRUE(other.echoes());
}

TEST(TopScreen, has_lines_where_they_are_wanted) {
  Screen screen({"top", "--plain", "-d", "2"});
  EXPECT_EQ(screen.wait(), 0);
  EXPECT_THAT(screen.rest(), HasSubstr("function"));
  EXPECT_THAT(screen.rest(), Not(HasSubstr("\x1b[?1049h")));
}

}  // namespace
}  // namespace waggle
