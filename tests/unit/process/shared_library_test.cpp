// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/shared_library.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/file.h"
#include "tests/temp_dir.h"

namespace waggle {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::StartsWith;

// Of the C library's mathematics.
std::string math_library() {
  Dl_info info{};
  EXPECT_NE(::dladdr(::dlsym(RTLD_DEFAULT, "cbrt"), &info), 0);
  return info.dli_fname;
}

Result<SharedLibrary> read(const std::string& path, std::string_view entry) {
  return read_shared_library(TRY(open_file(path, O_RDONLY)), entry);
}

TEST(SharedLibrary, tells_what_it_needs) {
  const auto library = read(math_library(), "cbrt");
  ASSERT_TRUE(library) << library.error().what;
  EXPECT_THAT(library->needed, Contains(StartsWith("libc.so")));
}

TEST(SharedLibrary, without_the_function_is_refused) {
  const auto library = read(math_library(), "Agent_OnAttach");
  ASSERT_FALSE(library);
  EXPECT_EQ(library.error().what, "has no function Agent_OnAttach");
}

TEST(SharedLibrary, is_no_text_and_no_file_of_another_machine) {
  const auto text = read("/etc/passwd", "cbrt");
  ASSERT_FALSE(text);
  EXPECT_THAT(text.error().what, StartsWith("is no shared library: "));
  const TempDir dir;
  std::string bytes = read_file(math_library(), std::size_t{1} << 24).value();
  bytes[18] = '\x16';  // EM_S390
  ASSERT_TRUE(write_file_atomically(dir.path() + "/other.so", bytes));
  const auto other = read(dir.path() + "/other.so", "cbrt");
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().what, HasSubstr("another kind of machine"));
}

}  // namespace
}  // namespace waggle
