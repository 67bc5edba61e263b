// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtimes/python/python_names.h"

#include <gtest/gtest.h>

#include <cstring>
#include <span>
#include <string_view>

#include "bpf/abi/python.h"

namespace waggle {
namespace {

// As the kernel side writes it: file, name, class.
class Record {
 public:
  Record(std::string_view file, std::string_view name, std::string_view owner = "") {
    record_.code_id = 7;
    record_.code = 0x7f00'0000'1000;
    record_.process = {12, 1, 345};
    record_.first_line = 42;
    record_.class_size = static_cast<std::uint32_t>(owner.size());
    record_.file = part(file, 1);
    record_.name = part(name, 1);
    add(file);
    add(name);
    add(owner);
  }

  py_names& operator*() { return record_; }
  [[nodiscard]] Bytes bytes() const {
    return std::as_bytes(std::span(&record_, 1)).first(PY_NAMES_HEAD_BYTES + size_);
  }

 private:
  static py_text_part part(std::string_view text, std::uint8_t width) {
    return {.size = static_cast<std::uint16_t>(text.size()),
            .width = width,
            .is_bytes = 0,
            .is_cut = 0};
  }
  void add(std::string_view text) {
    std::memcpy(record_.text + size_, text.data(), text.size());
    size_ += text.size();
  }

  py_names record_{};
  std::size_t size_ = 0;
};

TEST(PythonNames, have_what_the_kernel_side_copied) {
  const auto names = read_python_names(Record("/srv/app.py", "Shape.area").bytes());
  ASSERT_TRUE(names);
  EXPECT_EQ(names->code_id, 7U);
  EXPECT_EQ(names->code, 0x7f00'0000'1000U);
  EXPECT_EQ(names->process.tgid, 12U);
  EXPECT_EQ(names->file, "/srv/app.py");
  EXPECT_EQ(names->name, "Shape.area");
  EXPECT_EQ(names->first_line, 42);
}

TEST(PythonNames, have_the_class_in_front) {
  EXPECT_EQ(read_python_names(Record("a.py", "area", "Shape").bytes())->name, "Shape.area");
}

TEST(PythonNames, say_where_they_were_cut) {
  Record record("app.py", "calculate");
  (*record).file.is_cut = 1;
  (*record).name.is_cut = 1;
  const auto names = read_python_names(record.bytes());
  EXPECT_EQ(names->file, "…app.py");
  EXPECT_EQ(names->name, "calculate…");
}

TEST(PythonNames, are_decoded_by_the_width_of_their_characters) {
  using namespace std::string_view_literals;
  Record record("\xe9.py"sv, "\x91\x03\xb2\x03"sv);  // é in Latin-1, αβ in UCS-2
  (*record).name.width = 2;
  const auto names = read_python_names(record.bytes());
  ASSERT_TRUE(names);
  EXPECT_EQ(names->file, "é.py");
  EXPECT_EQ(names->name, "Αβ");
}

TEST(PythonNames, are_refused_when_they_are_shorter_than_they_say) {
  const Record record("/srv/app.py", "area", "Shape");
  for (std::size_t size = 0; size < record.bytes().size(); ++size) {
    EXPECT_FALSE(read_python_names(record.bytes().first(size))) << size;
  }
}

}  // namespace
}  // namespace waggle
