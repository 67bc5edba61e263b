// SPDX-License-Identifier: Apache-2.0
// The keys are gProfiler's.  Where it runs the program to ask it (`python -V`, `java -version`),
// nothing is run here: files tell, and what they do not tell is an error text.
#include "userspace/metadata/application_metadata.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/file.h"
#include "base/text.h"
#include "userspace/metadata/application_root.h"
#include "userspace/metadata/jvm_flags.h"
#include "userspace/process/executable_files.h"
#include "userspace/process/proc_fs.h"
#include "userspace/process/proc_maps.h"
#include "userspace/process/process_memory.h"

namespace waggle {

namespace {

using nlohmann::ordered_json;

constexpr std::size_t kMaxMappedFiles = 512;
constexpr std::size_t kMaxText = 4096;

struct MappedPath {
  std::string path;
  std::uint64_t start;
  std::uint64_t end;
};

std::string_view base_name(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

ordered_json error(std::string_view what) {
  return "error: " + std::string(what);
}

ordered_json text_or_error(const std::string& text, std::string_view what) {
  return text.empty() ? error(what) : ordered_json(printable(text));
}

ordered_json text_or_null(const std::string& text) {
  return text.empty() ? ordered_json(nullptr) : ordered_json(printable(text));
}

// Up to the first byte that is no part of "3.11.2".
std::string_view leading_version(std::string_view text) {
  return text.substr(0, text.find_first_not_of("0123456789."));
}

// One process, while it is read.
class Reading {
 public:
  Reading(std::uint32_t pid, UniqueFd directory, ApplicationFiles& files)
      : pid_(pid), directory_(std::move(directory)), root_(directory_.get()), files_(files) {}

  void read_maps();
  [[nodiscard]] RuntimesOfProcess runtimes() const;
  [[nodiscard]] ordered_json metadata(const ApplicationWishes& wishes);
  [[nodiscard]] std::vector<std::string> arguments() const;
  [[nodiscard]] std::string id(const ApplicationWishes& wishes) const;

 private:
  [[nodiscard]] const MappedPath* find_mapped(std::string_view begin) const;
  const ApplicationFile* look_at(const MappedPath* mapped);
  [[nodiscard]] std::string execfn() const;
  [[nodiscard]] ordered_json elf_id(const ApplicationFile* file) const;
  void add_python(ordered_json& to);
  void add_java(const ApplicationWishes& wishes, ordered_json& to);
  void add_ruby(ordered_json& to);
  void add_dotnet(ordered_json& to) const;
  void add_node(ordered_json& to);
  void add_go(ordered_json& to) const;
  void add_link(ordered_json& to, const ApplicationFile& file) const;
  [[nodiscard]] std::string java_version(std::string_view libjvm) const;
  [[nodiscard]] UniqueFd open_exe() const {
    return UniqueFd(::openat(directory_.get(), "exe", O_RDONLY | O_CLOEXEC));
  }

  std::uint32_t pid_;
  UniqueFd directory_;
  ApplicationRoot root_;
  ApplicationFiles& files_;
  std::string exe_;
  ApplicationFile exe_file_;
  std::vector<MappedPath> mapped_;  // the first executable mapping of each
};

void Reading::read_maps() {
  exe_ = read_link(directory_.get(), "exe");
  exe_ = without_deleted_suffix(exe_);
  if (const ApplicationFile* file = files_.find(open_exe())) {
    exe_file_ = *file;
  }
  const UniqueFd maps(::openat(directory_.get(), "maps", O_RDONLY | O_CLOEXEC));
  if (!maps.is_open()) {
    return;
  }
  (void)waggle::read_maps(maps.get(), MapsFilter::executable, [this](const MapsEntry& entry) {
    const bool is_known = !mapped_.empty() && mapped_.back().path == entry.path;
    if (entry.inode != 0 && !is_known && mapped_.size() < kMaxMappedFiles) {
      mapped_.push_back({std::string(entry.path), entry.start, entry.end});
    }
  });  // what is not read is not told of
}

// By the beginning of the file's name.
const MappedPath* Reading::find_mapped(std::string_view begin) const {
  const auto found = std::ranges::find_if(
      mapped_, [&](const MappedPath& mapped) { return base_name(mapped.path).starts_with(begin); });
  return found == mapped_.end() ? nullptr : &*found;
}

RuntimesOfProcess Reading::runtimes() const {
  const std::string_view exe = base_name(exe_);
  return {.has_python = find_mapped("python") != nullptr || find_mapped("libpython") != nullptr,
          .has_java = find_mapped("libjvm.so") != nullptr,
          .has_node = exe == "node" || exe == "nodejs" || find_mapped("libnode.so") != nullptr,
          .has_ruby = find_mapped("ruby") != nullptr || find_mapped("libruby") != nullptr};
}

const ApplicationFile* Reading::look_at(const MappedPath* mapped) {
  if (mapped == nullptr) {
    return nullptr;
  }
  auto fd = open_mapped_file(static_cast<pid_t>(pid_), mapped->start, mapped->end);
  return fd ? files_.find(*std::move(fd)) : nullptr;
}

std::string Reading::execfn() const {
  const UniqueFd auxv(::openat(directory_.get(), "auxv", O_RDONLY | O_CLOEXEC));
  const auto text = auxv.is_open() ? read_all(auxv.get(), kMaxText)
                                   : Result<std::string>(fail(Errc::not_found, ""));
  if (!text) {
    return "";
  }
  ByteCursor cursor(std::as_bytes(std::span(*text)));
  while (cursor.remaining() >= 2 * sizeof(std::uint64_t)) {
    const auto type = cursor.read<std::uint64_t>();
    const auto value = cursor.read<std::uint64_t>();
    if (type == AT_EXECFN) {
      return ProcessMemory(static_cast<pid_t>(pid_)).read_string(value, kMaxText).value_or("");
    }
  }
  return "";
}

// gProfiler has a hash of the whole file in the place of a build id that is missing.
ordered_json Reading::elf_id(const ApplicationFile* file) const {
  return file != nullptr && !file->build_id.empty() ? ordered_json("buildid:" + file->build_id)
                                                    : error("no build id");
}

void Reading::add_python(ordered_json& to) {
  const MappedPath* library = find_mapped("libpython");
  const ApplicationFile* file = look_at(library);
  std::string version = file != nullptr && !file->python.empty() ? file->python : exe_file_.python;
  for (auto mapped = mapped_.begin(); version.empty() && mapped != mapped_.end(); ++mapped) {
    version = python_of_path(mapped->path);
  }
  to["python_version"] = text_or_error(version, "no file tells it");
  to["exe_elfid"] = elf_id(&exe_file_);
  to["libpython_elfid"] = library == nullptr ? ordered_json(nullptr) : elf_id(file);
  to["sys_maxunicode"] =
      version.starts_with("Python 2") ? error("not asked for") : ordered_json(nullptr);
}

// Of the JDK that libjvm.so is of: "JDK/lib/server/libjvm.so", "JDK/jre/lib/amd64/server/...".
std::string Reading::java_version(std::string_view libjvm) const {
  constexpr int kMaxAbove = 5;
  std::string_view folder = libjvm;
  for (int above = 0; above < kMaxAbove && folder.contains('/'); ++above) {
    folder = folder.substr(0, folder.rfind('/'));
    const auto text = root_.read(std::string(folder) + "/release");
    for (const std::string_view key : {"JAVA_RUNTIME_VERSION", "JAVA_VERSION"}) {
      if (std::string value = text ? value_in_release(*text, key) : ""; !value.empty()) {
        return value;
      }
    }
  }
  return "";
}

void Reading::add_java(const ApplicationWishes& wishes, ordered_json& to) {
  const MappedPath* library = find_mapped("libjvm.so");
  to["java_version"] = text_or_error(java_version(library->path), "no file release");
  to["libjvm_elfid"] = elf_id(look_at(library));
  to["jvm_flags"] = jvm_flags(arguments(), wishes);
}

void Reading::add_ruby(ordered_json& to) {
  const MappedPath* library = find_mapped("libruby");
  const ApplicationFile* file = look_at(library);
  const std::string& version = file != nullptr && !file->ruby.empty() ? file->ruby : exe_file_.ruby;
  to["ruby_version"] = text_or_error(version, "no file tells it");
  to["exe_elfid"] = elf_id(&exe_file_);
  to["libruby_elfid"] = library == nullptr ? ordered_json(nullptr) : elf_id(file);
}

void Reading::add_dotnet(ordered_json& to) const {
  constexpr std::string_view kFolder = "/Microsoft.NETCore.App/";
  const std::string_view path = find_mapped("libcoreclr.so")->path;
  const std::size_t at = path.find(kFolder);
  to["dotnet_version"] = text_or_error(
      at == std::string_view::npos ? ""
                                   : std::string(leading_version(path.substr(at + kFolder.size()))),
      "its path does not tell");
}

void Reading::add_link(ordered_json& to, const ApplicationFile& file) const {
  to["link"] = file.is_dynamic ? "dynamic" : "static";
  to["libc"] = text_or_null(file.libc);
}

void Reading::add_node(ordered_json& to) {
  const MappedPath* library = find_mapped("libnode.so");
  UniqueFd fd = open_exe();
  if (library != nullptr) {
    if (auto of_library =
            open_mapped_file(static_cast<pid_t>(pid_), library->start, library->end)) {
      fd = *std::move(of_library);
    }
  }
  to["node_version"] = text_or_error(files_.find_node_version(std::move(fd)), "no file tells it");
  add_link(to, exe_file_);
}

void Reading::add_go(ordered_json& to) const {
  to["golang_version"] = text_or_null(exe_file_.go_version);
  to["stripped"] = exe_file_.is_stripped;
  add_link(to, exe_file_);
}

ordered_json Reading::metadata(const ApplicationWishes& wishes) {
  auto object = ordered_json::object();
  object["exe"] = text_or_error(exe_, "not readable");
  object["execfn"] = text_or_error(execfn(), "not readable");
  object["arch"] = text_or_error(exe_file_.arch, "no ELF file");
  const RuntimesOfProcess runtimes = this->runtimes();
  if (runtimes.has_python) {
    add_python(object);
  } else if (runtimes.has_java) {
    add_java(wishes, object);
  } else if (runtimes.has_ruby) {
    add_ruby(object);
  } else if (find_mapped("libcoreclr.so") != nullptr) {
    add_dotnet(object);
  } else if (runtimes.has_node) {
    add_node(object);
  } else if (exe_file_.is_go) {
    add_go(object);
  }
  return object;
}

std::vector<std::string> Reading::arguments() const {
  const UniqueFd file(::openat(directory_.get(), "cmdline", O_RDONLY | O_CLOEXEC));
  std::string text(kMaxCommandLineBytes, '\0');
  const auto size = file.is_open() ? read_at(file.get(), 0, std::as_writable_bytes(std::span(text)))
                                   : Result<std::size_t>(fail(Errc::not_found, ""));
  text.resize(size.value_or(0));
  return parse_command_line(text);
}

std::string Reading::id(const ApplicationWishes& wishes) const {
  const RuntimesOfProcess runtimes = this->runtimes();
  if (!runtimes.has_python && !runtimes.has_java && !runtimes.has_node && !runtimes.has_ruby) {
    return "";
  }
  const std::vector<std::string> arguments = this->arguments();
  const auto id = find_application_id(
      {.arguments = arguments,
       .runtimes = runtimes,
       .cwd = root_.cwd(),
       .resolve = [this](const std::string& path) { return root_.resolve(path); },
       .read = [this](const std::string& path) { return root_.read(path); },
       .java_arguments = &wishes.java_arguments,
       .wants_spark = wishes.wants_spark});
  return id.value_or("");
}

void merge_told(const std::string& text, ordered_json& to) {
  const auto told = ordered_json::parse(text, nullptr, false);
  if (told.is_object()) {
    to.update(told);
  }
}

bool is_same(int directory, const Application& application) {
  const auto stat = read_stat_at(directory);
  return stat && stat->state != 'Z' && stat->state != 'X' &&
         application.start().agrees_with(StartTime::from_ticks(stat->start_ticks));
}

}  // namespace

std::optional<ApplicationFacts> read_application(const Application& application,
                                                 const ApplicationWishes& wishes,
                                                 const ToldApplications& told,
                                                 ApplicationFiles& files) {
  auto directory = open_file(fmt::format("/proc/{}", application.pid()), O_PATH | O_DIRECTORY);
  if (!directory || !is_same(directory->get(), application)) {
    return std::nullopt;
  }
  const int process = directory->get();
  Reading reading(application.pid(), *std::move(directory), files);
  reading.read_maps();
  ApplicationFacts facts;
  if (wishes.has_metadata) {
    ordered_json metadata = reading.metadata(wishes);
    if (const auto more = told.find(application.pid()); more != told.end()) {
      merge_told(more->second, metadata);
    }
    facts.metadata = metadata.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  }
  if (wishes.has_ids) {
    facts.id = reading.id(wishes);
  }
  // What was read by its number can be of another process.
  return is_same(process, application) ? std::optional(std::move(facts)) : std::nullopt;
}

std::string python_of_path(std::string_view path) {
  const auto digits = [](std::string_view text) {
    return text.substr(0, text.find_first_not_of("0123456789"));
  };
  for (const std::string_view before : {"/libpython", "/python"}) {
    const std::size_t at = path.find(before);
    if (at == std::string_view::npos) {
      continue;
    }
    const std::string_view rest = path.substr(at + before.size());
    const std::string_view major = digits(rest);
    const bool has_point = !major.empty() && rest.substr(major.size()).starts_with('.');
    const std::string_view minor = has_point ? digits(rest.substr(major.size() + 1)) : "";
    if (!minor.empty()) {
      return fmt::format("Python {}.{}", major, minor);
    }
  }
  constexpr std::string_view kTag = ".cpython-";  // of an extension: ".cpython-311-"
  const std::size_t at = path.find(kTag);
  const std::string_view version =
      at == std::string_view::npos ? "" : digits(path.substr(at + kTag.size()));
  return version.size() < 2 ? ""
                            : fmt::format("Python {}.{}", version.substr(0, 1), version.substr(1));
}

std::string value_in_release(std::string_view text, std::string_view key) {
  for (std::string_view line : split(text, '\n')) {
    if (!line.starts_with(key) || !line.substr(key.size()).starts_with('=')) {
      continue;
    }
    line.remove_prefix(key.size() + 1);
    if (line.size() >= 2 && line.starts_with('"') && line.ends_with('"')) {
      line = line.substr(1, line.size() - 2);
    }
    return printable(line);
  }
  return "";
}

}  // namespace waggle
