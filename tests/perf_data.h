// SPDX-License-Identifier: Apache-2.0
// Data as perf record writes it: a header, one event, the records that a test wants.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/check.h"
#include "base/unique_fd.h"

namespace waggle {

template <class T>
  requires std::is_trivially_copyable_v<T>
std::string raw(const T& value) {
  std::string bytes(sizeof(value), '\0');
  std::memcpy(bytes.data(), &value, sizeof(value));
  return bytes;
}

// A record with these numbers as its body.
inline std::string perf_record(std::uint32_t type, const std::string& body) {
  return raw(type) + raw(std::uint16_t{0}) + raw(static_cast<std::uint16_t>(8 + body.size())) +
         body;
}

struct PerfDataParts {
  std::string event = "cpu-clock:pppH";
  std::string records = {};
  bool is_whole = true;  // else perf died
  std::uint64_t attr_bytes = 144;
  std::uint64_t features = 1U << 12;
};

inline std::string make_perf_data(const PerfDataParts& parts) {
  constexpr std::uint64_t kHeaderBytes = 104;
  const std::string attr(parts.attr_bytes, 'a');
  const std::uint64_t data_at = kHeaderBytes + attr.size();
  const std::uint64_t data_bytes = parts.is_whole ? parts.records.size() : 0;
  std::string head = "PERFILE2" + raw(kHeaderBytes) + raw(parts.attr_bytes) +
                     raw(std::array{kHeaderBytes, std::uint64_t{attr.size()}, data_at, data_bytes,
                                    std::uint64_t{0}, std::uint64_t{0}, parts.features,
                                    std::uint64_t{0}, std::uint64_t{0}, std::uint64_t{0}}) +
                     attr + parts.records;
  if (!parts.is_whole) {
    return head;
  }
  std::string name = parts.event;
  name.resize(64);
  const std::string names = raw(std::uint32_t{1}) + raw(std::uint32_t{128}) + attr.substr(0, 128) +
                            raw(std::uint32_t{0}) + raw(static_cast<std::uint32_t>(name.size())) +
                            name;
  return head + raw(std::array{std::uint64_t{head.size() + 16}, std::uint64_t{names.size()}}) +
         names;
}

inline UniqueFd memory_file(std::string_view bytes) {
  UniqueFd file(::memfd_create("perf data", MFD_CLOEXEC));
  CHECK(::write(file.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  CHECK(::lseek(file.get(), 0, SEEK_SET) == 0);
  return file;
}

}  // namespace waggle
