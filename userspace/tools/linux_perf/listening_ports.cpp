// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/linux_perf/listening_ports.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>

#include "base/text.h"
#include "base/unique_c.h"
#include "base/unique_fd.h"

namespace waggle {

namespace {

// The kernel lists those that listen first, before connections, of which there may be many.
constexpr std::size_t kMaxTableBytes = std::size_t{4} << 20;
constexpr std::size_t kMaxPorts = 4096;
constexpr std::size_t kMaxDescriptors = 65536;
constexpr std::string_view kListening = "0A";
constexpr std::size_t kWordDigits = 8;

std::string_view next_field(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  const std::string_view field = line.substr(0, line.find(' '));
  line.remove_prefix(field.size());
  return field;
}

// Words of 32 bits as this machine has them in memory.
std::optional<std::string> parse_address(std::string_view digits) {
  constexpr std::size_t kMaxWords = 4;
  std::array<std::uint32_t, kMaxWords> words{};
  const std::size_t count = digits.size() / kWordDigits;
  if (digits.size() % kWordDigits != 0 || (count != 1 && count != kMaxWords)) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const auto word = parse_number<std::uint32_t>(digits.substr(i * kWordDigits, kWordDigits), 16);
    if (!word) {
      return std::nullopt;
    }
    words[i] = *word;
  }
  const bool is_any = words == std::array<std::uint32_t, kMaxWords>{};
  if (is_any) {
    return count == 1 ? "127.0.0.1" : "::1";
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  (void)::inet_ntop(count == 1 ? AF_INET : AF_INET6, words.data(), text.data(), text.size());
  return std::string(text.data());
}

Result<> read_table(const TargetProcess& process, const char* name,
                    std::vector<ListeningPort>& ports) {
  const UniqueFd table(::openat(process.directory.get(), name, O_RDONLY | O_CLOEXEC));
  if (!table.is_open()) {
    return fail_errno(name, errno);
  }
  std::string text;
  std::array<char, 4096> buffer;
  bool has_more = true;
  while (has_more && text.size() < kMaxTableBytes) {
    const ssize_t size = ::read(table.get(), buffer.data(), buffer.size());
    if (size <= 0) {
      break;
    }
    text.append(buffer.data(), static_cast<std::size_t>(size));
    constexpr std::string_view kEstablished = " 01 ";
    has_more = text.find(kEstablished) == std::string::npos;
  }
  for (const std::string_view line : split(text, '\n')) {
    auto port = parse_listening_port(line);
    if (port && ports.size() < kMaxPorts) {
      ports.push_back(*std::move(port));
    }
  }
  return {};
}

}  // namespace

std::optional<ListeningPort> parse_listening_port(std::string_view line) {
  (void)next_field(line);  // its number
  const std::string_view local = next_field(line);
  (void)next_field(line);  // nobody, of one that listens
  if (next_field(line) != kListening) {
    return std::nullopt;
  }
  constexpr int kFieldsBeforeInode = 5;  // queues, timer, retransmissions, uid, timeout
  for (int i = 0; i < kFieldsBeforeInode; ++i) {
    (void)next_field(line);
  }
  const std::size_t colon = local.find(':');
  auto address = parse_address(local.substr(0, colon));
  const auto port = colon == std::string_view::npos
                        ? std::nullopt
                        : parse_number<std::uint16_t>(local.substr(colon + 1), 16);
  const auto inode = parse_number<std::uint64_t>(next_field(line));
  if (!address || !port || !inode) {
    return std::nullopt;
  }
  return ListeningPort{.address = *std::move(address), .port = *port, .inode = *inode};
}

Result<std::vector<ListeningPort>> read_listening_ports(const TargetProcess& process) {
  std::vector<ListeningPort> ports;
  TRY(read_table(process, "net/tcp", ports));
  (void)read_table(process, "net/tcp6", ports);  // not there where there is no IPv6
  return ports;
}

bool has_socket(const TargetProcess& process, std::uint64_t inode) {
  UniqueFd folder(::openat(process.directory.get(), "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::unique_ptr<DIR, Deleter<::closedir>> entries(
      folder.is_open() ? ::fdopendir(folder.get()) : nullptr);
  if (entries == nullptr) {
    return false;
  }
  (void)folder.release();  // it is the DIR's
  const int listing = ::dirfd(entries.get());
  if (listing < 0) {
    return false;
  }
  const std::string wanted = fmt::format("socket:[{}]", inode);
  std::array<char, 64> target{};
  for (std::size_t i = 0; i < kMaxDescriptors; ++i) {
    const dirent* entry = ::readdir(entries.get());
    if (entry == nullptr) {
      return false;
    }
    const ssize_t size = ::readlinkat(listing, entry->d_name, target.data(), target.size());
    if (size > 0 && std::string_view(target.data(), static_cast<std::size_t>(size)) == wanted) {
      return true;
    }
  }
  return false;
}

}  // namespace waggle
