// SPDX-License-Identifier: Apache-2.0
// /proc/cpuinfo, /proc/meminfo (proc(5)), os-release(5).
#include "userspace/metadata/system_metadata.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <gnu/libc-version.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <nlohmann/json.hpp>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <system_error>
#include <thread>

#include "base/file.h"
#include "base/text.h"

namespace waggle {

namespace {

using nlohmann::ordered_json;

constexpr std::size_t kMaxBytes = std::size_t{4} << 20;  // cpuinfo of 4,096 CPUs
constexpr std::string_view kUnknown = "unknown";
// Below the host's root.
constexpr auto kEmrFacts = "mnt/var/lib/info/extraInstanceData.json";
constexpr auto kClouderaFacts = "opt/cloudera/cm-agent/cm_version.properties";

std::string dump(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

// The first of "key : value" lines; a value may be quoted.
std::string_view value_in(std::string_view text, std::string_view key, char separator) {
  constexpr std::string_view kAround = " \t\r\n\"'";
  for (const std::string_view line : split(text, '\n')) {
    const std::size_t at = line.find(separator);
    if (at != std::string_view::npos && trimmed(line.substr(0, at), kAround) == key) {
      return trimmed(line.substr(at + 1), kAround);
    }
  }
  return {};
}

// Whether a namespace of ours is not that of the host's init.
bool is_elsewhere(const std::string& proc, const std::string& name) {
  struct stat ours{};
  struct stat theirs{};
  return ::stat((proc + "/self/ns/" + name).c_str(), &ours) == 0 &&
         ::stat((proc + "/1/ns/" + name).c_str(), &theirs) == 0 && ours.st_ino != theirs.st_ino;
}

std::string own_hostname() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "<unknown>";
}

// What `ask` says in that namespace of the host's init, to which a thread of ours goes; `unknown`
// where it may not.
std::string in_hosts_namespace(const std::string& proc, const std::string& name, int type,
                               std::string_view unknown, std::string (*ask)()) {
  if (!is_elsewhere(proc, name)) {
    return ask();
  }
  std::string answer(unknown);
  std::jthread([&] {
    const UniqueFd space(::open((proc + "/1/ns/" + name).c_str(), O_RDONLY | O_CLOEXEC));
    if (space.is_open() && ::setns(space.get(), type) == 0) {
      answer = ask();
    }
  }).join();
  return answer;
}

std::string hostname(const std::string& proc) {
  return in_hosts_namespace(proc, "uts", CLONE_NEWUTS, "<unknown>", own_hostname);
}

std::string read_or_nothing(const std::string& path) {
  return read_file(path, kMaxBytes).value_or("");
}

// The address that the host's default route has; connecting a datagram socket sends nothing.
std::string private_address() {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  constexpr std::uint16_t kDns = 53;
  address.sin_port = htons(kDns);
  (void)::inet_pton(AF_INET, "8.8.8.8", &address.sin_addr);
  socklen_t size = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  std::array<char, INET_ADDRSTRLEN> text{};
  const bool is_known =
      socket.is_open() && ::connect(socket.get(), generic, size) == 0 &&
      ::getsockname(socket.get(), generic, &size) == 0 &&
      ::inet_ntop(AF_INET, &address.sin_addr, text.data(), text.size()) != nullptr;
  return is_known ? text.data() : std::string(kUnknown);
}

// Of the first interface that is no loopback (packet(7)).
std::string mac_address() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) {
    return std::string(kUnknown);
  }
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, &::freeifaddrs);
  std::map<int, std::string> found;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    const bool is_link = entry->ifa_addr != nullptr && entry->ifa_addr->sa_family == AF_PACKET;
    if (is_link && (entry->ifa_flags & IFF_LOOPBACK) == 0) {
      const auto& link = *reinterpret_cast<const sockaddr_ll*>(entry->ifa_addr);
      const std::span address(link.sll_addr, std::min<std::size_t>(link.sll_halen, 8));
      if (!address.empty()) {
        found.emplace(link.sll_ifindex, fmt::format("{:02X}", fmt::join(address, ":")));
      }
    }
  }
  return found.empty() ? std::string(kUnknown) : found.begin()->second;
}

// The root of the host's init; ours where we may not look there.
std::string host_root(const std::string& proc) {
  const std::string root = proc + "/1/root";
  return ::access((root + "/").c_str(), R_OK | X_OK) == 0 ? root : "";
}

struct Libc {
  std::string type{kUnknown};
  std::string version{kUnknown};
};

bool has_glibc(const std::string& root) {
  constexpr auto kPlaces = std::to_array<std::string_view>(
      {"lib", "lib64", "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu"});
  return std::ranges::any_of(kPlaces, [&](std::string_view place) {
    return ::access(fmt::format("{}/{}/libc.so.6", root, place).c_str(), F_OK) == 0;
  });
}

// Of the host's root; the version where that is ours as well.  A glibc host can have a musl for
// its compiler.
Libc libc_of(const std::string& root) {
  std::error_code error;
  std::filesystem::directory_iterator entries(root + "/lib", error);
  const bool may_be_musl = !has_glibc(root);
  for (; may_be_musl && !error && entries != std::filesystem::directory_iterator();
       entries.increment(error)) {
    if (entries->path().filename().string().starts_with("ld-musl-")) {
      return {.type = "musl", .version = std::string(kUnknown)};
    }
  }
  struct stat ours{};
  struct stat theirs{};
  const bool is_ours = ::stat("/", &ours) == 0 && ::stat((root + "/").c_str(), &theirs) == 0 &&
                       ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
  return {.type = "glibc", .version = is_ours ? ::gnu_get_libc_version() : std::string(kUnknown)};
}

std::string run_mode() {
  if (std::getenv("WAGGLE_IN_K8S") != nullptr || std::getenv("GPROFILER_IN_K8S") != nullptr) {
    return "k8s";
  }
  const bool is_in_container = std::getenv("WAGGLE_IN_CONTAINER") != nullptr ||
                               std::getenv("GPROFILER_IN_CONTAINER") != nullptr;
  return is_in_container ? "container" : "standalone_executable";
}

std::string deployment_type(std::string_view mode) {
  return mode == "k8s" ? "k8s" : mode == "container" ? "containers" : "instances";
}

std::string known(std::string_view text) {
  return std::string(text.empty() ? kUnknown : text);
}

void add_kernel(ordered_json& object) {
  utsname name{};
  (void)::uname(&name);  // cannot fail with memory of ours
  object["kernel_release"] = name.release;
  object["kernel_version"] = name.version;
  object["system_name"] = name.sysname;
  object["hardware_type"] = name.machine;
  object["system"] = name.sysname;
}

void add_hardware(ordered_json& object, const std::string& proc) {
  const std::string cpuinfo = read_or_nothing(proc + "/cpuinfo");
  object["processors"] = std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN));
  object["cpu_model_name"] = known(value_in(cpuinfo, "model name", ':'));
  const std::string_view flags = value_in(cpuinfo, "flags", ':');
  object["cpu_flags"] = known(flags.empty() ? value_in(cpuinfo, "Features", ':') : flags);
  const std::string meminfo = read_or_nothing(proc + "/meminfo");
  const std::string_view total = value_in(meminfo, "MemTotal", ':');
  constexpr std::uint64_t kKbPerMb = 1024;
  object["memory_capacity_mb"] =
      parse_number<std::uint64_t>(total.substr(0, total.find(' '))).value_or(0) / kKbPerMb;
}

void add_system(ordered_json& object, const std::string& proc) {
  const std::string root = host_root(proc);
  const std::string release = read_or_nothing(root + "/etc/os-release");
  object["os_name"] = known(value_in(release, "NAME", '='));
  object["os_release"] = known(value_in(release, "VERSION_ID", '='));
  object["os_codename"] = known(value_in(release, "VERSION_CODENAME", '='));
  const Libc libc = libc_of(root);
  object["libc_type"] = libc.type;
  object["libc_version"] = libc.version;
  object["hostname"] = hostname(proc);
  const auto ask_network = [&](std::string (*ask)()) {
    return in_hosts_namespace(proc, "net", CLONE_NEWNET, kUnknown, ask);
  };
  object["mac_address"] = ask_network(mac_address);
  object["private_ip"] = ask_network(private_address);
}

// What Hadoop distributions leave on their hosts.
ordered_json big_data(const std::string& root) {
  ordered_json found = ordered_json::object();
  std::error_code unknown;
  const std::string emr_path = root + "/" + kEmrFacts;
  const auto emr = nlohmann::json::parse(read_or_nothing(emr_path), nullptr, false);
  const auto release = emr.is_object() ? emr.find("releaseLabel") : emr.end();
  const std::string databricks(trimmed(read_or_nothing(root + "/databricks/DBR_VERSION")));
  const std::string environment = read_or_nothing(root + "/etc/environment");
  const std::string_view dataproc = value_in(environment, "DATAPROC_IMAGE_VERSION", '=');
  if (emr.is_object() && release != emr.end() && release->is_string()) {
    found = {{"provider", "emr"}, {"provider_version", release->get<std::string>()}};
  } else if (std::filesystem::exists(root + "/databricks", unknown)) {
    found = {{"provider", "databricks"}, {"provider_version", known(databricks)}};
  } else if (!dataproc.empty()) {
    found = {{"provider", "dataproc"}, {"provider_version", std::string(dataproc)}};
  } else if (const std::string facts = read_or_nothing(root + "/" + kClouderaFacts);
             !facts.empty()) {
    found = {{"provider", "cloudera"},
             {"provider_version", known(value_in(facts, "version", '='))}};
  }
  return found;
}

Metadata pairs_of(const ordered_json& object) {
  Metadata pairs;
  for (const auto& [key, value] : object.items()) {
    pairs.emplace_back(key, dump(value));
  }
  return pairs;
}

}  // namespace

std::string json_text(std::string_view text) {
  return dump(std::string(text));
}

std::string iso_time(std::chrono::system_clock::time_point time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto rest = std::chrono::duration_cast<std::chrono::microseconds>(time - seconds);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)), rest.count());
}

std::chrono::milliseconds uptime() {
  timespec time{};
  (void)::clock_gettime(CLOCK_BOOTTIME, &time);  // cannot fail on Linux
  return std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

Metadata collect_system_metadata(const OwnMetadata& own, const std::string& proc) {
  const std::string mode = run_mode();
  ordered_json object;
  object["cloud_provider"] = kUnknown;
  object["agent_version"] = own.version;
  object["spawn_time"] = iso_time(own.spawn_time);
  object["python_version"] = "";  // waggle has none; readers want the key
  object["run_mode"] = mode;
  object["deployment_type"] = deployment_type(mode);
  add_kernel(object);
  add_hardware(object, proc);
  add_system(object, proc);
  object["pid"] = ::getpid();
  object["spawn_uptime_ms"] = own.spawn_uptime.count();
  auto arguments = ordered_json::object();
  for (const auto& [name, value] : own.run_arguments) {
    arguments[name] = value;
  }
  object["run_arguments"] = arguments;
  object["big_data"] = big_data(host_root(proc));
  object["current_time"] = iso_time(std::chrono::system_clock::now());
  object["profiling_mode"] = own.profiling_mode;
  return pairs_of(object);
}

Metadata least_metadata(const OwnMetadata& own) {
  return {{"hostname", json_text(hostname("/proc"))},
          {"profiling_mode", json_text(own.profiling_mode)}};
}

}  // namespace waggle
