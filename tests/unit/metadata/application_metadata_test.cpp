// SPDX-License-Identifier: Apache-2.0
#include "userspace/metadata/application_metadata.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/file.h"
#include "tests/temp_dir.h"
#include "userspace/metadata/application_reader.h"
#include "userspace/metadata/application_root.h"
#include "userspace/process/proc_fs.h"

namespace waggle {
namespace {

using nlohmann::json;
using std::chrono::seconds;

Bytes bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

ApplicationRef myself() {
  const auto pid = static_cast<std::uint32_t>(::getpid());
  const auto stat = ProcFs().read_stat(pid);
  return std::make_shared<Application>(pid, StartTime::from_ticks(stat->start_ticks));
}

TEST(ApplicationMetadata, is_of_the_program_that_runs) {
  ApplicationFiles files;
  const ApplicationRef application = myself();
  const auto facts = read_application(
      *application, {}, {{application->pid(), R"({"team": "a", "arch": "told"})"}}, files);
  ASSERT_TRUE(facts);
  const auto object = json::parse(facts->metadata);
  EXPECT_TRUE(object["exe"].get<std::string>().ends_with("/metadata_test")) << object;
  EXPECT_TRUE(object["execfn"].get<std::string>().ends_with("metadata_test")) << object;
  EXPECT_EQ(object["team"], "a");
  EXPECT_EQ(object["arch"], "told") << "what others tell is over our own";
  EXPECT_EQ(facts->id, "");
}

TEST(ApplicationMetadata, is_nothing_for_another_process_with_its_number) {
  ApplicationFiles files;
  const Application before(static_cast<std::uint32_t>(::getpid()), StartTime::from_ticks(1));
  EXPECT_FALSE(read_application(before, {}, {}, files));
}

TEST(ApplicationReader, tells_equal_programs_the_same_object) {
  ApplicationReader reader({});
  const ApplicationRef first = myself();
  const ApplicationRef second = myself();
  EXPECT_EQ(first->facts(), nullptr);
  reader.want(first);
  reader.want(second);
  reader.wait(seconds(10));
  ASSERT_NE(first->facts(), nullptr);
  EXPECT_EQ(first->facts(), second->facts());
}

TEST(ApplicationReader, leaves_who_is_gone_untold) {
  ApplicationReader reader({});
  const auto gone = std::make_shared<Application>(4'194'304U, StartTime::from_ticks(1));
  reader.want(gone);
  reader.wait(seconds(10));
  EXPECT_EQ(gone->facts(), nullptr);
}

TEST(ApplicationMetadata, knows_pythons_by_their_files) {
  EXPECT_EQ(python_of_path("/usr/lib/libpython3.9.so.1.0"), "Python 3.9");
  EXPECT_EQ(python_of_path("/usr/lib/python2.7/lib-dynload/x.so"), "Python 2.7");
  EXPECT_EQ(python_of_path("/app/_x.cpython-310-x86_64-linux-gnu.so"), "Python 3.10");
  EXPECT_EQ(python_of_path("/app/_x.cpython-3"), "");
  EXPECT_EQ(python_of_path("/usr/bin/python3"), "");
  EXPECT_EQ(python_of_path(""), "");
}

TEST(ApplicationMetadata, knows_javas_by_their_release) {
  const std::string_view text = "A=\"x\"\nJAVA_VERSION=\"17.0.15\"\nJAVA_VERSION_DATE=\"d\"\nB=";
  EXPECT_EQ(value_in_release(text, "JAVA_VERSION"), "17.0.15");
  EXPECT_EQ(value_in_release(text, "B"), "");
  EXPECT_EQ(value_in_release(text, "JAVA"), "");
}

TEST(ApplicationFiles, know_go_by_its_build_information) {
  const std::string begin = std::string("\xff Go buildinf:") + '\x08' + '\x02' + std::string(16, 0);
  EXPECT_EQ(parse_go_build_info(bytes_of(begin + "\x08" + "go1.22.1" + "rest")), "go1.22.1");
  EXPECT_EQ(parse_go_build_info(bytes_of(begin + "\x09" + "go1.22.1")), std::nullopt) << "is cut";
  EXPECT_EQ(parse_go_build_info(bytes_of(begin)), std::nullopt);
  EXPECT_EQ(parse_go_build_info(bytes_of(begin + std::string(10, '\xff'))), std::nullopt);
  std::string old = begin + "\x08go1.17.1";
  old[15] = 0;  // a pointer to the text
  EXPECT_EQ(parse_go_build_info(bytes_of(old)), std::nullopt);
}

TEST(ApplicationFiles, know_node_by_the_one_version_in_its_data) {
  NodeVersionTexts texts;
  EXPECT_EQ(texts.only(), std::nullopt);
  texts.add(bytes_of(std::string_view("x node.js/v20.1.22\0 node.js/v1\0node.js/", 39)));
  EXPECT_EQ(texts.only(), "v20.1.22");
  texts.add(bytes_of(std::string_view("node.js/v20.1.23\0", 17)));
  EXPECT_EQ(texts.only(), std::nullopt);
}

TEST(ApplicationRoot, resolves_as_the_process_does) {
  const TempDir dir;
  const std::string real = dir.path() + "/real.py";
  ASSERT_TRUE(write_file_atomically(real, "text"));
  ASSERT_EQ(::symlink("real.py", (dir.path() + "/link.py").c_str()), 0);
  const auto process = open_file("/proc/self", O_PATH | O_DIRECTORY);
  ASSERT_TRUE(process);
  const ApplicationRoot root(process->get());
  EXPECT_EQ(root.resolve(dir.path() + "/x/../real.py"), real);
  EXPECT_EQ(root.resolve(dir.path() + "/link.py"), real);
  EXPECT_EQ(root.resolve("/none/../../none.py"), "/none.py");
  EXPECT_EQ(root.read(dir.path() + "/link.py"), "text");
  EXPECT_EQ(root.read(dir.path()), std::nullopt);
  EXPECT_EQ(root.read("/dev/zero"), std::nullopt);
  EXPECT_EQ(without_dots("a//./b/../../../c"), "/c");
  EXPECT_EQ(without_dots(""), "/");
}

}  // namespace
}  // namespace waggle
