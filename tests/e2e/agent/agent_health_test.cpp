// SPDX-License-Identifier: Apache-2.0
// What an agent tells of itself, asked by a plain client, by Prometheus, and heard by systemd's
// side of the protocol.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "bpf/abi/stats.h"
#include "tests/e2e/agent/agent_process.h"
#include "tests/e2e/agent/http_client.h"
#include "tests/test_program.h"

namespace waggle {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using Words = std::vector<std::string>;

TEST(AgentHealth, tells_every_counter_with_its_meaning) {
  const TestProgram program({RECURSION, "20"});
  const AgentPlace place;
  const std::uint16_t port = free_port();
  WaggleRun agent(place.words({"-d", "1", "-f", "99", "--metrics-listen", std::to_string(port)}));
  ASSERT_TRUE(place.wait_for_profiles(2));
  EXPECT_THAT(get(port, "/healthz"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(get(port, "/readyz"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(get(port, "/nothing"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(ask(port, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"),
              testing::Not(StartsWith("HTTP/1.1 200")));
  EXPECT_THAT(ask(port, "GET /metrics HTTP/1.1\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n"),
              testing::Not(StartsWith("HTTP/1.1 200")));
  const std::string metrics = body_of(get(port, "/metrics"));
#define X(kind, name, text)                                                   \
  EXPECT_THAT(metrics, HasSubstr("\n# HELP waggle_" #name "_total " text "\n" \
                                 "# TYPE waggle_" #name "_total counter\n"    \
                                 "waggle_" #name "_total "));
  WAGGLE_STATS(X)
#undef X
  EXPECT_THAT(metrics, HasSubstr("\nwaggle_sampling 1\n"));
  EXPECT_THAT(metrics, HasSubstr("\nwaggle_frequency_hertz 99\n"));
  EXPECT_THAT(metrics, HasSubstr("\nwaggle_sessions_failed_total 0\n"));
  EXPECT_EQ(end_agent(agent).result.status, 0);
}

TEST(AgentHealth, is_told_to_this_host_alone_and_to_nobody_unless_asked) {
  const AgentPlace place;
  const std::uint16_t port = free_port();
  WaggleRun agent(place.words({"-d", "60", "--metrics-listen", ":" + std::to_string(port)}));
  ASSERT_TRUE(place.wait_for_log("sampling at"));
  std::ifstream table("/proc/net/tcp");
  std::string line;
  const std::string wanted = fmt::format(":{:04X} 00000000:0000 0A", port);  // it listens
  std::vector<std::string> found;
  while (std::getline(table, line)) {
    if (line.find(wanted) != std::string::npos) {
      found.push_back(line);
    }
  }
  ASSERT_EQ(found.size(), 1U);
  EXPECT_THAT(found[0], HasSubstr("0100007F:"));
  const AgentPlace other;
  Words words = other.words({"-d", "60", "--metrics-listen", std::to_string(port)});
  *(std::ranges::find(words, "--lock") + 1) += "_2";
  const WaggleResult second = run_waggle(words);
  EXPECT_EQ(second.status, 1);
  EXPECT_THAT(second.err, HasSubstr("Address already in use"));
  EXPECT_EQ(end_agent(agent).result.status, 0);
  for (const auto* address : {"x", "1.2.3:80", "70000", "host.name:80", ""}) {
    const WaggleResult bad = run_waggle(place.words({"--metrics-listen", address}));
    EXPECT_EQ(bad.status, 2) << address;
    EXPECT_THAT(bad.err, HasSubstr("--metrics-listen: "));
  }
}

// In a child that is ended with the test.
class Prometheus {
 public:
  Prometheus(std::uint16_t own_port, std::uint16_t target_port) {
    std::ofstream(dir_.path() + "/prometheus.yml")
        << "global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: waggle\n"
           "  static_configs:\n  - targets: ['127.0.0.1:"
        << target_port << "']\n";
    pid_ = ::fork();
    CHECK(pid_ >= 0);
    if (pid_ == 0) {
      const std::string config = "--config.file=" + dir_.path() + "/prometheus.yml";
      const std::string storage = "--storage.tsdb.path=" + dir_.path() + "/data";
      const std::string listen = fmt::format("--web.listen-address=127.0.0.1:{}", own_port);
      ::execlp("prometheus", "prometheus", config.c_str(), storage.c_str(), listen.c_str(),
               "--log.level=error", nullptr);
      ::_exit(127);
    }
  }
  Prometheus(const Prometheus&) = delete;
  Prometheus& operator=(const Prometheus&) = delete;
  ~Prometheus() {
    (void)::kill(pid_, SIGKILL);
    (void)::waitpid(pid_, nullptr, 0);
  }

 private:
  TempDir dir_;
  pid_t pid_ = -1;
};

TEST(AgentHealth, is_scraped_by_prometheus) {
  if (::access("/usr/bin/prometheus", X_OK) != 0) {
    GTEST_SKIP() << "prometheus is not installed (tools/install_packages test)";
  }
  const TestProgram program({RECURSION, "20"});
  const AgentPlace place;
  const std::uint16_t port = free_port();
  WaggleRun agent(place.words({"-d", "1", "-f", "99", "--metrics-listen", std::to_string(port)}));
  ASSERT_TRUE(place.wait_for_log("sampling at"));
  const std::uint16_t own_port = free_port();
  const Prometheus prometheus(own_port, port);
  const auto query = [&](const std::string& expression) {
    const std::string body = body_of(ask(own_port, "GET /api/v1/query?query=" + expression +
                                                       " HTTP/1.0\r\nHost: localhost\r\n\r\n"));
    const auto json = nlohmann::json::parse(body, nullptr, false);
    if (!json.is_object() || json["status"] != "success" || json["data"]["result"].empty()) {
      return -1.0;
    }
    return std::stod(json["data"]["result"][0]["value"][1].get<std::string>());
  };
  ASSERT_TRUE(
      wait_until([&] { return query("waggle_samples_total") > 0; }, std::chrono::seconds(60)));
  EXPECT_EQ(query("up"), 1);
  EXPECT_GT(query("waggle_ticks_total"), query("waggle_samples_total") - 1);
  EXPECT_TRUE(wait_until([&] { return query("waggle_sessions_written_total") >= 2; }));
  EXPECT_GT(query("waggle_resident_bytes"), 1'000'000);
  EXPECT_EQ(query("waggle_children"), 0);
  const std::string metadata =
      body_of(ask(own_port, "GET /api/v1/targets/metadata HTTP/1.0\r\nHost: localhost\r\n\r\n"));
  const auto json = nlohmann::json::parse(metadata, nullptr, false);
  ASSERT_TRUE(json.is_object());
  std::size_t families = 0;
  for (const auto& family : json["data"]) {
    if (family["metric"].get<std::string>().starts_with("waggle_")) {
      ++families;
      EXPECT_NE(family["type"], "unknown") << family;
      EXPECT_NE(family["help"], "") << family;
    }
  }
  EXPECT_GT(families, 30U);
  EXPECT_EQ(end_agent(agent).result.status, 0);
}

TEST(AgentHealth, is_told_to_the_service_manager) {
  const AgentPlace place;
  const std::string path = place.path("notify");
  const UniqueFd manager(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path.size(), sizeof(address.sun_path));
  std::ranges::copy(path, address.sun_path);
  ASSERT_EQ(::bind(manager.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  std::string heard;
  const auto hears = [&](const std::string& text) {
    return wait_until([&] {
      pollfd ready{.fd = manager.get(), .events = POLLIN, .revents = 0};
      while (::poll(&ready, 1, 0) == 1) {
        std::array<char, 4096> message{};
        const ssize_t size = ::read(manager.get(), message.data(), message.size());
        heard.append(message.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
        heard += "\n";
      }
      return heard.find(text) != std::string::npos;
    });
  };
  WaggleRun agent(place.words({"-d", "1"}),
                  {"env", "NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=1000000"});
  ASSERT_TRUE(hears("READY=1\nSTATUS=sampling at 11 Hz\n"));
  EXPECT_THAT(place.log(), HasSubstr("sampling at"));
  EXPECT_TRUE(hears("WATCHDOG=1\n"));
  EXPECT_TRUE(hears("STATUS=sampling at 11 Hz, "));
  EXPECT_THAT(heard, testing::Not(HasSubstr("RELOADING")));
  ASSERT_EQ(::kill(agent.pid(), SIGHUP), 0);
  EXPECT_TRUE(hears("RELOADING=1\nMONOTONIC_USEC="));
  heard.clear();
  EXPECT_EQ(end_agent(agent).result.status, 0);
  EXPECT_TRUE(hears("STOPPING=1\n"));
}

}  // namespace
}  // namespace waggle
