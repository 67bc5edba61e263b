// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/linux_perf/listening_ports.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "base/unique_fd.h"

namespace waggle {
namespace {

TEST(ListeningPort, is_read_of_a_line_of_the_kernels_table) {
  const auto port = parse_listening_port(
      "   0: 0100007F:240D 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 "
      "12345 1 0000000000000000 100 0 0 10 0");
  ASSERT_TRUE(port);
  EXPECT_EQ(port->address, "127.0.0.1");
  EXPECT_EQ(port->port, 9229);
  EXPECT_EQ(port->inode, 12345U);
}

TEST(ListeningPort, of_version_6_and_of_any_address_is_one_to_connect_to) {
  constexpr const char* kRest =
      ":240D 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 77 1 0 100 0 0 10 0";
  EXPECT_EQ(
      parse_listening_port(std::string("0: 00000000000000000000000001000000") + kRest)->address,
      "::1");
  EXPECT_EQ(
      parse_listening_port(std::string("0: 00000000000000000000000000000000") + kRest)->address,
      "::1");
  EXPECT_EQ(parse_listening_port(std::string("0: 00000000") + kRest)->address, "127.0.0.1");
}

TEST(ListeningPort, is_none_of_a_connection_or_of_another_line) {
  for (const char* line :
       {"", "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid",
        "0: 0100007F:240D 0100007F:1 01 0:0 0:0 0 0 0 5", "0: 0100007F 0:0 0A 0:0 0:0 0 0 0 5",
        "0: 01007F:240D 0:0 0A 0:0 0:0 0 0 0 5", "0: 0100007F:240D 0:0 0A 0:0 0:0 0 0 0 x"}) {
    EXPECT_FALSE(parse_listening_port(line)) << line;
  }
}

TEST(ListeningPort, is_found_of_this_process_and_known_as_its_own) {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_TRUE(socket.is_open());
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(socket.get(), 1), 0);
  ASSERT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  TargetProcess process;
  ASSERT_TRUE(process.open(::getpid()));
  const auto ports = read_listening_ports(process);
  ASSERT_TRUE(ports) << ports.error().what;
  const auto found = std::ranges::find(*ports, ntohs(address.sin_port), &ListeningPort::port);
  ASSERT_NE(found, ports->end());
  EXPECT_EQ(found->address, "127.0.0.1");
  EXPECT_TRUE(has_socket(process, found->inode));
  socket.reset();
  EXPECT_FALSE(has_socket(process, found->inode));
}

}  // namespace
}  // namespace waggle
