// SPDX-License-Identifier: Apache-2.0
#include "userspace/remote/cri_containers.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>

#include "base/bytes.h"
#include "userspace/remote/grpc.h"
#include "userspace/remote/protobuf.h"

namespace waggle {

namespace {

// Usual ones have 2 KiB for each container; containerd sends 16 MiB at most.
constexpr std::size_t kMaxAnswerBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxListBytes = std::size_t{16} << 20;
constexpr std::size_t kMaxContainers = 16384;
constexpr std::size_t kMaxLabels = 1024;  // of one container

// Numbers of fields, by their names in the interface.
enum Request : std::uint32_t { kFilter = 1, kFilterId = 1, kFilterState = 2, kStateValue = 1 };
enum State : std::uint64_t { kRunning = 1 };
enum Response : std::uint64_t { kContainers = 1 };
enum Container : std::uint64_t { kId = 1, kMetadata = 3, kLabels = 8 };
enum Metadata : std::uint64_t { kName = 1, kAttempt = 2 };
enum MapEntry : std::uint64_t { kKey = 1, kValue = 2 };

Result<> check_end(const ProtobufReader& reader) {
  if (!reader.ok()) {
    return fail(Errc::malformed, "the answer is no list of containers");
  }
  return {};
}

struct Parts {
  std::string id;
  std::string name;
  std::uint64_t attempt = 0;
  std::map<std::string, std::string, std::less<>> labels;
};

Result<> read_metadata(Bytes message, Parts& parts) {
  ProtobufReader reader(message);
  while (const auto field = reader.next()) {
    if (field->number == kName) {
      parts.name = field->text();
    } else if (field->number == kAttempt) {
      parts.attempt = field->value;
    }
  }
  return check_end(reader);
}

Result<> read_label(Bytes message, Parts& parts) {
  std::string key;
  std::string value;
  ProtobufReader reader(message);
  while (const auto field = reader.next()) {
    if (field->number == kKey) {
      key = field->text();
    } else if (field->number == kValue) {
      value = field->text();
    }
  }
  if (parts.labels.size() < kMaxLabels) {
    parts.labels.insert_or_assign(std::move(key), std::move(value));
  }
  return check_end(reader);
}

std::string name_of(const Parts& parts) {
  const auto label = [&](const char* key) {
    const auto found = parts.labels.find(key);
    return found == parts.labels.end() ? "" : found->second;
  };
  const std::string pod = label("io.kubernetes.pod.name");
  const std::string pod_namespace = label("io.kubernetes.pod.namespace");
  const std::string pod_uid = label("io.kubernetes.pod.uid");
  if (pod.empty() || pod_namespace.empty() || pod_uid.empty()) {
    return parts.name;  // crictl's, and of others who are not Kubernetes
  }
  return fmt::format("k8s_{}_{}_{}_{}_{}", parts.name, pod, pod_namespace, pod_uid, parts.attempt);
}

Result<CriContainer> read_container(Bytes message) {
  Parts parts;
  ProtobufReader reader(message);
  while (const auto field = reader.next()) {
    if (field->number == kId) {
      parts.id = field->text();
    } else if (field->number == kMetadata) {
      TRY(read_metadata(field->bytes, parts));
    } else if (field->number == kLabels) {
      TRY(read_label(field->bytes, parts));
    }
  }
  TRY(check_end(reader));
  CriContainer container{
      .id = std::move(parts.id), .name = name_of(parts), .name_in_pod = std::move(parts.name)};
  if (!is_container_name(container.name) || !is_container_name(container.id)) {
    container.name.clear();
    container.name_in_pod.clear();
  }
  return container;
}

struct Question {
  std::string filter;
  std::size_t max_bytes;  // of the answer
};

Question by_id(std::string_view id) {
  Question question{.filter = {}, .max_bytes = kMaxAnswerBytes};
  append_protobuf_text(question.filter, kFilterId, id);
  return question;
}

Question all_that_run() {
  std::string state;
  append_protobuf_number(state, kStateValue, kRunning);
  Question question{.filter = {}, .max_bytes = kMaxListBytes};
  append_protobuf_text(question.filter, kFilterState, state);
  return question;
}

// Of the interface's versions, which have the same messages, the one that is served.
Result<std::vector<CriContainer>> list_containers(const std::string& socket,
                                                  const Question& question,
                                                  const std::stop_token& stop) {
  std::string request;
  append_protobuf_text(request, kFilter, question.filter);
  Result<std::string> answer;
  for (const char* version : {"v1", "v1alpha2"}) {
    answer = call_grpc({.unix_socket = socket,
                        .method = fmt::format("/runtime.{}.RuntimeService/ListContainers", version),
                        .message = request,
                        .max_bytes = question.max_bytes,
                        .stop = stop});
    if (answer || answer.error().code != Errc::unsupported) {
      break;
    }
  }
  if (!answer) {
    Error error = std::move(answer).error();
    error.code = error.code == Errc::unsupported ? Errc::not_found : error.code;
    return std::unexpected(std::move(error));
  }
  auto containers = parse_cri_containers(*answer);
  if (!containers) {
    return add_context(socket, std::move(containers).error());
  }
  return containers;
}

bool is_whole_id(std::string_view text) {
  constexpr std::size_t kIdDigits = 64;
  return text.size() == kIdDigits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

Result<std::vector<CriContainer>> parse_cri_containers(std::string_view message) {
  std::vector<CriContainer> containers;
  ProtobufReader reader(std::as_bytes(std::span(message)));
  while (const auto field = reader.next()) {
    if (field->number != kContainers) {
      continue;
    }
    if (containers.size() >= kMaxContainers) {
      return fail(Errc::exhausted, fmt::format("more than {} containers", kMaxContainers));
    }
    containers.push_back(TRY(read_container(field->bytes)));
  }
  TRY(check_end(reader));
  return containers;
}

Result<std::optional<NamedContainer>> find_cri_container(
    const std::vector<CriContainer>& containers, std::string_view name) {
  constexpr std::size_t kShown = 3;
  std::vector<std::string_view> called_so;
  std::optional<NamedContainer> found;
  for (const CriContainer& container : containers) {
    if (container.name.empty() || (container.name != name && container.name_in_pod != name)) {
      continue;
    }
    found = NamedContainer{.id = container.id, .name = container.name};
    if (container.name == name) {
      return found;
    }
    called_so.push_back(container.name);
  }
  if (called_so.size() > 1) {
    const std::size_t count = std::min(called_so.size(), kShown);
    return fail(Errc::malformed,
                fmt::format("{} containers are called so, give one's whole name: {}{}",
                            called_so.size(), fmt::join(std::span(called_so).first(count), ", "),
                            called_so.size() > count ? ", ..." : ""));
  }
  return found;
}

Result<std::optional<NamedContainer>> ask_cri(const std::string& socket, std::string_view container,
                                              const std::stop_token& stop) {
  if (!is_whole_id(container)) {
    return find_cri_container(TRY(list_containers(socket, all_that_run(), stop)), container);
  }
  for (CriContainer& one : TRY(list_containers(socket, by_id(container), stop))) {
    if (one.id != container) {
      continue;
    }
    if (one.name.empty()) {
      return fail(Errc::malformed, fmt::format("{}: the answer has no container's name", socket));
    }
    return NamedContainer{.id = std::move(one.id), .name = std::move(one.name)};
  }
  return std::optional<NamedContainer>();
}

}  // namespace waggle
