// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/perf/data_file.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/file.h"

namespace waggle {

namespace {

constexpr std::string_view kMagic = "PERFILE2";
constexpr std::size_t kHeaderBytes = 104;
constexpr std::size_t kSizeAt = 48;      // of the records' size in the header
constexpr std::size_t kFeaturesAt = 72;  // of the bits
constexpr std::uint64_t kEventDesc = 12;
constexpr std::uint64_t kMaxEvents = 4096;
constexpr std::uint64_t kMaxAttrBytes = 4096;
constexpr std::size_t kNameBytes = 64;  // perf's own unit for names
constexpr std::size_t kMaxThrottled = 65536;

struct Section {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};
constexpr std::size_t kSectionBytes = sizeof(Section);

struct Header {
  std::uint64_t attr_bytes = 0;  // of an event: its attributes and the section of its ids
  Section attrs;
  Section records;
  std::uint64_t features = 0;  // the first 64
};

std::unexpected<Error> malformed(std::string_view what) {
  return fail(Errc::malformed, fmt::format("perf's data: {}", what));
}

bool is_inside(const Section& section, std::uint64_t file_bytes) {
  return section.offset <= file_bytes && section.size <= file_bytes - section.offset;
}

Result<std::vector<std::byte>> read_section(int fd, const Section& section) {
  std::vector<std::byte> bytes(section.size);
  if (TRY(read_at(fd, section.offset, bytes)) != bytes.size()) {
    return malformed("it ends too early");
  }
  return bytes;
}

Result<Header> read_header(int fd, std::uint64_t file_bytes) {
  const auto bytes = TRY(read_section(fd, {.offset = 0, .size = kHeaderBytes}));
  if (std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    return malformed("it has another format");
  }
  ByteCursor cursor(Bytes(bytes).subspan(kMagic.size() + sizeof(std::uint64_t)));
  Header header;
  header.attr_bytes = cursor.read<std::uint64_t>();
  header.attrs = cursor.read<Section>();
  header.records = cursor.read<Section>();
  (void)cursor.read<Section>();  // of tracepoints' names
  header.features = cursor.read<std::uint64_t>();
  const bool has_events = header.attr_bytes > kSectionBytes && header.attr_bytes <= kMaxAttrBytes &&
                          header.attrs.size >= header.attr_bytes &&
                          header.attrs.size / header.attr_bytes <= kMaxEvents;
  if (!has_events || !is_inside(header.attrs, file_bytes) ||
      !is_inside(header.records, file_bytes) || header.records.offset < kHeaderBytes) {
    return malformed("its header is damaged");
  }
  return header;
}

Result<> write_at(int fd, std::uint64_t offset, std::span<const std::byte> bytes) {
  const ssize_t count = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
  if (count < 0) {
    return fail_errno("write perf's data", errno);
  }
  if (static_cast<std::size_t>(count) != bytes.size()) {
    return fail(Errc::system, "write perf's data: no room");
  }
  return {};
}

template <class T>
void append(std::vector<std::byte>& bytes, const T& value) {
  const auto raw = std::as_bytes(std::span(&value, 1));
  bytes.insert(bytes.end(), raw.begin(), raw.end());
}

void append_name(std::vector<std::byte>& bytes, std::string_view name) {
  const std::size_t size = (name.size() / kNameBytes + 1) * kNameBytes;
  append(bytes, static_cast<std::uint32_t>(size));
  const auto raw = std::as_bytes(std::span(name));
  bytes.insert(bytes.end(), raw.begin(), raw.end());
  bytes.resize(bytes.size() + size - name.size());
}

// The content of EVENT_DESC: each event with this name, and without the ids that perf takes from
// the attributes.
Result<std::vector<std::byte>> make_event_names(int fd, const Header& header,
                                                std::string_view name) {
  const auto attrs = TRY(read_section(fd, header.attrs));
  const std::size_t event_count = attrs.size() / header.attr_bytes;
  const std::size_t attr_bytes = header.attr_bytes - kSectionBytes;
  std::vector<std::byte> bytes;
  append(bytes, static_cast<std::uint32_t>(event_count));
  append(bytes, static_cast<std::uint32_t>(attr_bytes));
  for (std::size_t i = 0; i < event_count; ++i) {
    const auto attr = std::span(attrs).subspan(i * header.attr_bytes, attr_bytes);
    bytes.insert(bytes.end(), attr.begin(), attr.end());
    append(bytes, std::uint32_t{0});
    append_name(bytes, name);
  }
  return bytes;
}

// What EVENT_DESC calls the first event.
Result<std::string> read_event_name(int fd, const Section& names) {
  constexpr std::uint64_t kMostBytes = 2 * kMaxAttrBytes;
  const auto bytes =
      TRY(read_section(fd, {.offset = names.offset, .size = std::min(names.size, kMostBytes)}));
  ByteCursor cursor(bytes);
  (void)cursor.read<std::uint32_t>();  // how many there are
  (void)cursor.take(cursor.read<std::uint32_t>());
  (void)cursor.read<std::uint32_t>();  // how many ids it has
  const auto name = checked_string(cursor.take(cursor.read<std::uint32_t>()), 0);
  if (!cursor.ok() || !name) {
    return malformed("the names of its events are damaged");
  }
  return std::string(*name);
}

// Of data whose perf came to its end: another section takes the place of the one that is there.
Result<std::string> rename_events(int fd, const Header& header, std::uint64_t file_bytes,
                                  std::string_view name) {
  constexpr std::uint64_t kBit = std::uint64_t{1} << kEventDesc;
  if ((header.features & kBit) == 0) {
    return malformed("its events have no names");
  }
  const auto index = static_cast<std::uint64_t>(std::popcount(header.features & (kBit - 1)));
  const std::uint64_t entry = header.records.offset + header.records.size + index * kSectionBytes;
  const auto old = TRY(read_section(fd, {.offset = entry, .size = kSectionBytes}));
  const auto names = ByteCursor(old).read<Section>();
  if (!is_inside(names, file_bytes)) {
    return malformed("its table is damaged");
  }
  std::string old_name = TRY(read_event_name(fd, names));
  const auto bytes = TRY(make_event_names(fd, header, name));
  TRY(write_at(fd, file_bytes, bytes));
  const Section section{.offset = file_bytes, .size = bytes.size()};
  TRY(write_at(fd, entry, std::as_bytes(std::span(&section, 1))));
  return old_name;
}

// Of data whose perf died: the end of the header, and names.
Result<> complete(int fd, Header& header, std::uint64_t file_bytes, std::string_view name) {
  header.records.size = file_bytes - header.records.offset;
  if (header.records.size == 0) {
    return malformed("it has no records");
  }
  const auto names = TRY(make_event_names(fd, header, name));
  std::vector<std::byte> bytes;
  append(bytes, Section{.offset = file_bytes + kSectionBytes, .size = names.size()});
  bytes.insert(bytes.end(), names.begin(), names.end());
  TRY(write_at(fd, file_bytes, bytes));
  const std::array<std::uint64_t, 4> features = {std::uint64_t{1} << kEventDesc};
  TRY(write_at(fd, kFeaturesAt, std::as_bytes(std::span(features))));
  return write_at(fd, kSizeAt, std::as_bytes(std::span(&header.records.size, 1)));
}

// Of perf_event_open(2).
enum RecordType : std::uint32_t { kLost = 2, kThrottle = 5, kUnthrottle = 6 };

struct RecordHeader {
  std::uint32_t type;
  std::uint16_t misc;
  std::uint16_t size;  // with this header
};

class RecordCounter {
 public:
  explicit RecordCounter(PerfDataFacts& facts) : facts_(facts) {}

  void take(const RecordHeader& header, Bytes body) {
    ByteCursor cursor(body);
    const auto first = cursor.read<std::uint64_t>();
    const auto second = cursor.read<std::uint64_t>();
    const auto third = cursor.read<std::uint64_t>();
    if (header.type == kLost && body.size() >= 2 * sizeof(std::uint64_t)) {
      facts_.lost_records += second;
    } else if (header.type == kThrottle && cursor.ok() && since_.size() < kMaxThrottled) {
      since_.insert_or_assign(third, first);
    } else if (header.type == kUnthrottle && cursor.ok()) {
      end_throttle(third, first);
    }
  }

 private:
  void end_throttle(std::uint64_t stream, std::uint64_t time_ns) {
    const auto began = since_.find(stream);
    if (began == since_.end()) {
      return;  // in the segment before
    }
    if (time_ns > began->second) {
      facts_.throttled += std::chrono::nanoseconds(time_ns - began->second);
    }
    since_.erase(began);
  }

  PerfDataFacts& facts_;
  std::unordered_map<std::uint64_t, std::uint64_t> since_;  // event of one CPU -> time
};

// What a perf that died had not written whole is left out.
Result<> count_records(int fd, const Section& records, PerfDataFacts& facts) {
  constexpr std::size_t kPieceBytes = 128 << 10;  // more than a record has
  std::vector<std::byte> piece(kPieceBytes);
  RecordCounter counter(facts);
  const std::uint64_t end = records.offset + records.size;
  for (std::uint64_t offset = records.offset; offset < end;) {
    const std::size_t wanted = std::min<std::uint64_t>(piece.size(), end - offset);
    const std::size_t count = TRY(read_at(fd, offset, std::span(piece).first(wanted)));
    ByteCursor cursor(Bytes(piece).first(count));
    std::size_t taken = 0;
    while (cursor.remaining() >= sizeof(RecordHeader)) {
      const auto header = cursor.read<RecordHeader>();
      if (header.size < sizeof(RecordHeader)) {
        return malformed("a record is damaged");
      }
      const Bytes body = cursor.take(header.size - sizeof(RecordHeader));
      if (!cursor.ok()) {
        break;  // in the next piece
      }
      counter.take(header, body);
      taken += header.size;
    }
    if (taken == 0) {
      return {};
    }
    offset += taken;
  }
  return {};
}

}  // namespace

Result<PerfDataFacts> prepare_perf_data(const UniqueFd& data, std::string_view name) {
  struct stat status{};
  if (::fstat(data.get(), &status) != 0) {
    return fail_errno("perf's data", errno);
  }
  const auto file_bytes = static_cast<std::uint64_t>(status.st_size);
  Header header = TRY(read_header(data.get(), file_bytes));
  PerfDataFacts facts;
  if (header.records.size == 0) {
    TRY(complete(data.get(), header, file_bytes, name));
  } else {
    facts.event = TRY(rename_events(data.get(), header, file_bytes, name));
  }
  TRY(count_records(data.get(), header.records, facts));
  return facts;
}

}  // namespace waggle
