// SPDX-License-Identifier: Apache-2.0
// Trees as installers leave them, made in a temporary directory that stands for a process' root.
#include "userspace/runtimes/python/packages.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/file.h"
#include "tests/interpreters.h"
#include "tests/temp_dir.h"

namespace waggle {
namespace {

using ::testing::ElementsAre;
using Lines = std::vector<std::string>;

template <class Parse>
Lines visited(Parse&& parse) {
  Lines paths;
  parse([&](std::string_view path) { paths.emplace_back(path); });
  return paths;
}

TEST(PackageMetadata, is_in_the_fields_above_the_first_empty_line) {
  EXPECT_EQ(parse_package_metadata("Metadata-Version: 2.1\nName: PyYAML\nVersion: 6.0\n\ntext"),
            (PythonPackage{"PyYAML", "6.0"}));
  EXPECT_EQ(parse_package_metadata("name:x\r\nVERSION:\t1.0rc1 \r\n"),
            (PythonPackage{"x", "1.0rc1"}));
  EXPECT_EQ(parse_package_metadata("Name: x\n\nVersion: 1\n"), std::nullopt);
  EXPECT_EQ(parse_package_metadata("Name: x\nVersion:\n"), std::nullopt);
  EXPECT_EQ(parse_package_metadata("Nameless: x\nVersion: 1\n"), std::nullopt);
  EXPECT_EQ(parse_package_metadata(""), std::nullopt);
}

TEST(PackageMetadata, is_made_fit_to_show) {
  const auto package = parse_package_metadata("Name: a\x1b[2J\nVersion: " + std::string(1000, '1'));
  ASSERT_TRUE(package);
  EXPECT_EQ(package->name, "a?[2J");
  EXPECT_EQ(package->version.size(), kMaxPackageWord);
  EXPECT_EQ(package_text({"PyYAML", "6.0"}), "PyYAML==6.0");
}

TEST(PackageRecord, names_files_from_the_folder_of_packages_on) {
  EXPECT_THAT(
      visited([](const auto& f) {
        parse_package_record(
            "yaml/__init__.py,sha256=AbC,1\n"
            "\"with,comma and \"\"quote\"\".py\",,\r\n"
            "./yaml//x/../y.py,,\n"
            "../../../bin/tool,,\n"
            "/usr/bin/tool.py,,\n"
            "\n"
            "plain.py",
            f);
      }),
      ElementsAre("yaml/__init__.py", "with,comma and \"quote\".py", "yaml/y.py", "plain.py"));
}

TEST(InstalledFiles, are_from_their_own_folder_on) {
  EXPECT_THAT(visited([](const auto& f) {
                parse_installed_files("../yaml/__init__.py\nPKG-INFO\n../../../bin/x\n\n/a.py\n",
                                      "PyYAML-6.0.egg-info", f);
              }),
              ElementsAre("yaml/__init__.py", "PyYAML-6.0.egg-info/PKG-INFO"));
}

TEST(TopLevel, has_names_and_no_paths) {
  EXPECT_THAT(
      visited([](const auto& f) { parse_top_level("yaml\n _yaml \n\n../x\n..\na/b\n", f); }),
      ElementsAre("yaml", "_yaml"));
}

TEST(PackagesFolder, is_the_last_of_its_name) {
  EXPECT_EQ(packages_folder("/usr/lib/python3/dist-packages/a/b.py"),
            "/usr/lib/python3/dist-packages/");
  EXPECT_EQ(packages_folder("/a/site-packages/b/site-packages/c.py"),
            "/a/site-packages/b/site-packages/");
  EXPECT_EQ(packages_folder("/a/site-packages/dist-packages/c.py"), "/a/site-packages/");
  EXPECT_EQ(packages_folder("/usr/lib/python3.11/json/decoder.py"), std::nullopt);
  EXPECT_EQ(packages_folder("site-packages/a.py"), std::nullopt);
  EXPECT_EQ(packages_folder("x/site-packages/a.py"), std::nullopt);
  EXPECT_EQ(packages_folder(""), std::nullopt);
}

TEST(StandardLibrary, is_below_a_version_and_no_package) {
  EXPECT_TRUE(is_standard_library("/usr/lib/python3.11/json/decoder.py"));
  EXPECT_TRUE(is_standard_library("/usr/lib/python2.7/Queue.py"));
  EXPECT_TRUE(is_standard_library("/opt/python3.14t/os.py"));
  EXPECT_FALSE(is_standard_library("/usr/lib/python3.11/site-packages/a.py"));
  EXPECT_FALSE(is_standard_library("/usr/lib/python3/dist-packages/a.py"));
  EXPECT_FALSE(is_standard_library("/usr/lib/python3/a.py"));
  EXPECT_FALSE(is_standard_library("/srv/python3.11"));
  EXPECT_FALSE(is_standard_library("/srv/python3.110/a.py"));
  EXPECT_FALSE(is_standard_library("/srv/python33.1/a.py"));
  EXPECT_FALSE(is_standard_library("lib/python3.11/a.py"));
  EXPECT_FALSE(is_standard_library("<frozen os>"));
}

constexpr const char* kFolder = "/usr/lib/python3.11/site-packages/";

class Packages : public ::testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) const {
    const std::string full = root_.path() + kFolder + path;
    std::filesystem::create_directories(std::filesystem::path(full).parent_path());
    std::ofstream(full) << text;
  }

  std::string find(const std::string& path) { return find_file(kFolder + path); }
  std::string find_file(const std::string& file) {
    const UniqueFd root = open_file(root_.path(), O_PATH | O_DIRECTORY).value();
    const auto package = packages_.find(root.get(), file);
    return package ? package_text(*package) : "";
  }

  TempDir root_;
  PythonPackages packages_;
};

TEST_F(Packages, are_told_by_a_record) {
  write("PyYAML-6.0.dist-info/METADATA", "Name: PyYAML\nVersion: 6.0\n");
  write("PyYAML-6.0.dist-info/RECORD", "yaml/__init__.py,,\nyaml/scanner.py,,\n_yaml.so,,\n");
  EXPECT_EQ(find("yaml/scanner.py"), "PyYAML==6.0");
  EXPECT_EQ(find("yaml/other.py"), "");
  EXPECT_EQ(find("_yaml.so"), "");  // no Python source
  EXPECT_EQ(find(""), "");
  EXPECT_EQ(find_file("/usr/lib/python3.11/json/decoder.py"), "");
  EXPECT_EQ(find_file("/nowhere/site-packages/yaml/scanner.py"), "");
  EXPECT_GT(packages_.size_bytes(), 0U);
}

TEST_F(Packages, are_told_by_a_list_of_installed_files) {
  write("foo-1.2-py3.11.egg-info/PKG-INFO", "Metadata-Version: 1.0\nName: foo\nVersion: 1.2\n");
  write("foo-1.2-py3.11.egg-info/installed-files.txt", "../foo/__init__.py\n../foo_tool.py\n");
  EXPECT_EQ(find("foo/__init__.py"), "foo==1.2");
  EXPECT_EQ(find("foo_tool.py"), "foo==1.2");
  EXPECT_EQ(find("foo/bar.py"), "");
}

TEST_F(Packages, are_told_by_their_top_level_where_there_is_no_list) {
  for (const std::string name : {"apt", "half_a", "half_b"}) {
    write(name + ".egg-info/PKG-INFO", "Name: " + name + "\nVersion: 3\n");
  }
  write("apt.egg-info/top_level.txt", "apt\napt_tool\n");
  write("half_a.egg-info/top_level.txt", "shared\n");
  write("half_b.egg-info/top_level.txt", "shared\n");
  EXPECT_EQ(find("apt/cache/all.py"), "apt==3");
  EXPECT_EQ(find("apt_tool.py"), "apt==3");
  EXPECT_EQ(find("aptitude/a.py"), "");
  EXPECT_EQ(find("shared/a.py"), "");  // of two
}

TEST_F(Packages, are_read_again_when_something_was_installed) {
  write("a.dist-info/METADATA", "Name: a\nVersion: 1\n");
  write("a.dist-info/RECORD", "a.py,,\n");
  EXPECT_EQ(find("a.py"), "a==1");
  EXPECT_EQ(find("b.py"), "");
  // The time of a folder moves in steps of 4 ms.
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  write("b.dist-info/METADATA", "Name: b\nVersion: 2\n");
  write("b.dist-info/RECORD", "b.py,,\n");
  EXPECT_EQ(find("b.py"), "b==2");
  EXPECT_EQ(find("a.py"), "a==1");
}

TEST_F(Packages, are_never_those_outside_of_the_root) {
  const TempDir outside;
  std::filesystem::create_directories(outside.path() + "/a.dist-info");
  std::ofstream(outside.path() + "/a.dist-info/METADATA") << "Name: a\nVersion: 1\n";
  std::ofstream(outside.path() + "/a.dist-info/RECORD") << "a.py,,\n";
  const std::string folder = root_.path() + "/opt/site-packages";
  std::filesystem::create_directories(root_.path() + "/opt");
  std::filesystem::create_symlink(outside.path(), folder);
  EXPECT_EQ(find_file("/opt/site-packages/a.py"), "");
  std::string way_out = "/x";
  for (int i = 0; i < 20; ++i) {
    way_out += "/..";
  }
  EXPECT_EQ(find_file(way_out + outside.path() + "/site-packages/a.py"), "");
  // The same one inside is found.
  std::filesystem::create_directories(root_.path() + outside.path());
  std::filesystem::copy(outside.path(), root_.path() + outside.path(),
                        std::filesystem::copy_options::recursive);
  EXPECT_EQ(find_file("/opt/site-packages/a.py"), "a==1");
}

TEST_F(Packages, whose_metadata_is_no_plain_file_are_left_out) {
  write("a.dist-info/METADATA", "Name: a\nVersion: 1\n");
  ASSERT_EQ(::mkfifo((root_.path() + kFolder + "a.dist-info/RECORD").c_str(), 0600), 0);
  write("b.egg-info", "Name: b\nVersion: 1\n");  // a file in place of a folder
  write("c.dist-info/RECORD", "c.py,,\n");       // without metadata
  EXPECT_EQ(find("a.py"), "");
  EXPECT_EQ(find("b.py"), "");
  EXPECT_EQ(find("c.py"), "");
}

TEST_F(Packages, of_which_two_claim_a_file_are_the_first_by_name) {
  for (const std::string name : {"b", "a"}) {
    write(name + ".dist-info/METADATA", "Name: " + name + "\nVersion: 1\n");
    write(name + ".dist-info/RECORD", "x.py,,\n");
  }
  EXPECT_EQ(find("x.py"), "a==1");
}

// pip says its version in its source too.
TEST(PackagesOfThisMachine, are_what_they_say_themselves) {
  PythonPackages packages;
  const UniqueFd root = open_file("/proc/self/root", O_PATH | O_DIRECTORY).value();
  int found = 0;
  for (const std::string version :
       {"2.7", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13"}) {
    for (const Interpreter& interpreter : find_interpreters(version)) {
      const auto prefix = std::filesystem::path(interpreter.program).parent_path().parent_path();
      const std::string file =
          (prefix / "lib" / ("python" + version) / "site-packages/pip/__init__.py").string();
      const auto source = read_file(file, 1 << 20);
      const std::size_t at = source ? source->find("\n__version__ = \"") : std::string::npos;
      if (at == std::string::npos) {
        continue;
      }
      const std::size_t start = source->find('"', at) + 1;
      const auto package = packages.find(root.get(), file);
      ASSERT_TRUE(package) << file;
      EXPECT_EQ(package_text(*package),
                "pip==" + source->substr(start, source->find('"', start) - start));
      ++found;
    }
  }
  if (found == 0) {
    GTEST_SKIP() << "no pip here";
  }
}

}  // namespace
}  // namespace waggle
