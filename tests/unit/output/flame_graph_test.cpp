// SPDX-License-Identifier: Apache-2.0
#include "userspace/output/flame_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <zlib.h>

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "userspace/output/page_data.h"

namespace waggle {
namespace {

using testing::HasSubstr;
using testing::Not;

// A reader of the page's data, written from the description in page_data.h.
class PageReader {
 public:
  explicit PageReader(std::string_view bytes) : rest_(bytes) {}

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.at(0));
      rest_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) {
        return value;
      }
    }
  }

  std::string_view section() {
    const std::uint64_t size = varint();
    const std::string_view part = rest_.substr(0, size);
    EXPECT_EQ(part.size(), size);
    rest_.remove_prefix(part.size());
    return part;
  }

  [[nodiscard]] bool is_at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

std::string decode_base64(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  std::uint32_t bits = 0;
  int bit_count = 0;
  for (const char digit : text) {
    if (digit == '=') {
      break;
    }
    bits = bits << 6 | static_cast<std::uint32_t>(kDigits.find(digit));
    bit_count += 6;
    if (bit_count >= 8) {
      bit_count -= 8;
      bytes += static_cast<char>(bits >> bit_count & 0xff);
    }
  }
  return bytes;
}

std::string data_of(std::string_view page) {
  constexpr std::string_view kOpen = R"(<script type="text/plain" id="data">)";
  const std::size_t start = page.find(kOpen) + kOpen.size();
  const std::size_t end = page.find("</script>", start);
  const std::string compressed = decode_base64(page.substr(start, end - start));
  std::string bytes(64 << 20, '\0');
  uLongf size = bytes.size();
  EXPECT_EQ(uncompress(reinterpret_cast<Bytef*>(bytes.data()), &size,
                       reinterpret_cast<const Bytef*>(compressed.data()), compressed.size()),
            Z_OK);
  bytes.resize(size);
  return bytes;
}

using Stacks = std::map<std::vector<std::string>, std::uint64_t>;

Stacks stacks_of_page(std::string_view bytes) {
  PageReader reader(bytes);
  reader.section();  // facts
  const std::string_view joined = reader.section();
  const auto names = split(joined, '\n');
  PageReader containers(reader.section());
  PageReader pops(reader.section());
  PageReader selves(reader.section());
  std::vector<std::string_view> planes;
  while (!reader.is_at_end()) {
    planes.push_back(reader.section());
  }
  Stacks stacks;
  std::vector<std::string> path{""};  // the container, then the nodes
  for (std::size_t i = 0; i < planes.at(0).size(); ++i) {
    std::size_t name = 0;
    for (std::size_t plane = 0; plane < planes.size(); ++plane) {
      name |= std::size_t{static_cast<unsigned char>(planes[plane][i])} << (8 * plane);
    }
    path.resize(path.size() - pops.varint());
    if (path.size() == 1) {
      path[0] = names.at(containers.varint());
    }
    path.emplace_back(names.at(name));
    if (const std::uint64_t self = selves.varint(); self > 0) {
      stacks[path] += self;
    }
  }
  EXPECT_TRUE(pops.is_at_end() && selves.is_at_end() && containers.is_at_end());
  return stacks;
}

Stacks stacks_of_profile(const Profile& profile) {
  Stacks stacks;
  for (const auto& [stack, count] : profile.counts()) {
    std::vector<std::string> path{printable(profile.name(stack.container)),
                                  printable(profile.name(stack.comm))};
    for (const Profile::NameId frame : stack.frames) {
      path.push_back(printable(profile.name(frame)));
    }
    stacks[path] += count;
  }
  return stacks;
}

Profile random_profile(unsigned seed, unsigned name_count, int stack_count) {
  std::mt19937 random(seed);
  Profile profile;
  const auto name = [&] { return profile.intern("f" + std::to_string(random() % name_count)); };
  for (int i = 0; i < stack_count; ++i) {
    Profile::Stack stack{name(), name(), {}};
    for (auto left = random() % 30; left > 0; --left) {
      stack.frames.push_back(name());
    }
    profile.add(stack, 1 + (random() % 8 == 0 ? random() : 0));
  }
  return profile;
}

TEST(FlameGraph, carries_every_stack_with_its_count) {
  for (const unsigned name_count : {1U, 3U, 255U, 256U, 257U, 70'000U}) {
    const Profile profile = random_profile(name_count, name_count, 3000);
    const auto page = render_flame_graph(profile, {});
    ASSERT_TRUE(page) << page.error().what;
    EXPECT_EQ(stacks_of_page(data_of(*page)), stacks_of_profile(profile)) << name_count;
  }
}

TEST(FlameGraph, carries_a_count_of_more_than_32_bits) {
  Profile profile;
  const auto app = profile.intern("app");
  profile.add({app, app, {}}, 1'000'000'000'000'000);
  EXPECT_EQ(stacks_of_page(data_of(*render_flame_graph(profile, {}))), stacks_of_profile(profile));
}

TEST(FlameGraph, carries_the_facts) {
  PageFacts facts;
  facts.title = "host \"a\" </script>";
  facts.recording.samples = 42;
  const std::string bytes = data_of(*render_flame_graph(Profile(), facts));
  const auto object = nlohmann::json::parse(PageReader(bytes).section());
  EXPECT_EQ(object["title"], facts.title);
  EXPECT_EQ(object["waggle"]["samples"], 42);
}

TEST(FlameGraph, is_the_same_file_for_the_same_profile) {
  EXPECT_EQ(*render_flame_graph(random_profile(1, 50, 500), {}),
            *render_flame_graph(random_profile(1, 50, 500), {}));
}

TEST(FlameGraph, has_no_name_in_its_markup) {
  Profile profile;
  const auto evil = profile.intern("</script><img src=x onerror=alert(1)>");
  profile.add({evil, evil, {evil}}, 1);
  PageFacts facts;
  facts.title = "</title><img src=y>";
  const std::string page = *render_flame_graph(profile, facts);
  EXPECT_THAT(page, Not(HasSubstr("src=x")));
  EXPECT_THAT(page, Not(HasSubstr("src=y")));
}

TEST(FlameGraph, allows_its_own_script_and_style_by_hash_and_nothing_else) {
  const std::string page = *render_flame_graph(Profile(), {});
  EXPECT_THAT(page, HasSubstr("default-src 'none'; script-src 'sha256-"));
  EXPECT_THAT(page, Not(HasSubstr("unsafe")));
  EXPECT_THAT(page, Not(HasSubstr("://")));  // no address at all
}

TEST(Base64, pads_as_rfc_4648_tells) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xff\xfe\xfd"), "//79");
}

}  // namespace
}  // namespace waggle
