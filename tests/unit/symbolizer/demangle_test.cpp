// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/demangle.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace waggle {
namespace {

TEST(Demangle, prints_cpp_as_binutils_does) {
  EXPECT_EQ(demangle("_ZN6waggle8demangleESt17basic_string_viewIcSt11char_traitsIcEE"),
            "waggle::demangle(std::basic_string_view<char, std::char_traits<char> >)");
  EXPECT_EQ(demangle("_Z1fSs"),
            "f(std::basic_string<char, std::char_traits<char>, std::allocator<char> >)");
  EXPECT_EQ(demangle("_ZZ4mainENKUlvE_clEv"), "main::{lambda()#1}::operator()() const");
  EXPECT_EQ(demangle("_ZTV3Foo"), "vtable for Foo");
}

TEST(Demangle, shows_clones) {
  EXPECT_EQ(demangle("_Z1fv.cold"), "f() [clone .cold]");
  EXPECT_EQ(demangle("_Z1fv.part.0"), "f() [clone .part.0]");
  EXPECT_EQ(demangle("_Z1fv.constprop.0.isra.0"), "f() [clone .constprop.0] [clone .isra.0]");
  EXPECT_EQ(demangle("_Z1fv.llvm.1234567"), "f() [clone .llvm.1234567]");
}

TEST(Demangle, prints_legacy_rust_without_the_hash) {
  EXPECT_EQ(demangle("_ZN4core3fmt9Formatter9write_str17h0123456789abcdefE"),
            "core::fmt::Formatter::write_str");
  EXPECT_EQ(demangle("_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$"
                     "3bar17h930b740aa94f1d3aE"),
            "<Test + 'static as foo::Bar<Test>>::bar");
}

TEST(Demangle, prints_rust_v0) {
  EXPECT_EQ(demangle("_RNvC6_123foo3bar"), "123foo::bar");
  EXPECT_EQ(demangle("_RNvMCs4fqI2P2rA04_13const_genericINtB2_8UnsignedKhb_E1f"),
            "<const_generic::Unsigned<11>>::f");
  EXPECT_EQ(demangle("_RNCNvCs6DXkGYLi8lr_2cc5spawn0"), "cc::spawn::{closure#0}");
  EXPECT_EQ(demangle("_RNqCs4fqI2P2rA04_11utf8_identsu30____7hkackfecea1cbdathfdh9hlq6y"),
            "utf8_idents::საჭმელად_გემრიელი_სადილი");
}

TEST(Demangle, leaves_all_else_as_it_is) {
  for (const char* name : {"main", "", "_", "_Z", "_R", "_ZN", "_Znotmangled", "_ZN4core", "_RNvC",
                           "printf", "std::string", "_ZN4core3fmt"}) {
    EXPECT_EQ(demangle(name), name);
  }
  EXPECT_EQ(demangle(std::string("_Z1fv\0x", 7)), std::string("_Z1fv\0x", 7));
}

// The mangled reference to substitution `index`: S_, S0_, ... S9_, SA_, ...
std::string substitution(unsigned index) {
  constexpr std::string_view kDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  std::string digits;
  for (unsigned rest = index; rest > 0; rest = (rest - 1) / 36) {
    digits.insert(digits.begin(), kDigits[(rest - 1) % 36]);
  }
  return "S" + digits + "_";
}

// A type that holds itself twice, `depth` levels deep: 2^depth names of a type when printed.
std::string doubling_type(unsigned depth, unsigned first_substitution) {
  std::string type = "1a";
  unsigned inner = first_substitution;
  for (unsigned i = 0; i < depth; ++i) {
    type = "PFv" + type + substitution(inner) + "E";
    inner += 2;
  }
  return type;
}

// c++filt of binutils 2.40 does not end on any of the following within ten seconds.
TEST(Demangle, ends_where_the_text_would_be_exponential) {
  std::string chain = "_Z1f1a";
  for (unsigned i = 0; i < 45; ++i) {
    const std::string inner = substitution(i == 0 ? 0 : 2 * i);
    chain += "PFv" + inner + inner + "E";
  }
  EXPECT_EQ(demangle(chain), chain);
  EXPECT_NE(demangle("_Z1f1aPFvS_S_EPFvS1_S1_E"), "_Z1f1aPFvS_S_EPFvS1_S1_E") << "well-formed";
}

TEST(Demangle, ends_where_the_search_for_a_pack_would_be_exponential) {
  const std::string name = "_Z1fIiEvDp" + doubling_type(45, 1);
  EXPECT_EQ(demangle(name), name);
  EXPECT_EQ(demangle("_Z1fIiEvDp" + doubling_type(1, 1)), "void f<int>((void (*)(a, a))...)");
}

TEST(Demangle, ends_where_parsing_would_be_exponential) {
  std::string type = "i";
  for (int i = 0; i < 40; ++i) {
    type = "N1acvT_I" + type + "EE";
  }
  EXPECT_EQ(demangle("_Z1fIiEv" + type), "_Z1fIiEv" + type);
}

TEST(Demangle, ends_where_rust_would_count_lifetimes_for_ever) {
  const std::string name = "_RMINtC1a1bFGzzzzzzzzz_uEuEu";
  EXPECT_EQ(demangle(name), name);
  EXPECT_EQ(demangle("_RNvXC1aNtB2_7CFGuardNtB2_1b1f"), "<a::CFGuard as a::b>::f");
  EXPECT_EQ(demangle("_RMINtC1a1bFG0_RL0_hEuEu"), "<()>") << "a few are fine";
}

TEST(Demangle, ends_where_rust_back_references_would_be_exponential) {
  // Each tuple holds the one before it twice.
  std::string name = "_RIC0";
  std::size_t last = name.size() - 2;
  name += "TuuE";
  const auto reference = [](std::size_t position) {
    constexpr std::string_view kDigits =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    std::string digits;
    for (std::size_t rest = position - 1;; rest /= 62) {
      digits.insert(digits.begin(), kDigits[rest % 62]);
      if (rest < 62) {
        return "B" + digits + "_";
      }
    }
  };
  for (int i = 0; i < 60; ++i) {
    const std::size_t here = name.size() - 2;
    name += "T" + reference(last) + reference(last) + "E";
    last = here;
  }
  name += "E";
  EXPECT_EQ(demangle(name), name);
  EXPECT_EQ(demangle("_RIC0TuuETB2_B2_EE"), "::<((), ()), (((), ()), ((), ()))>");
}

// The sanitizer build would tell of the buffer of an identifier that is left behind.
TEST(Demangle, gives_up_on_long_rust_names_without_a_leak) {
  std::string name = "_RIC0";
  for (int i = 0; i < 100; ++i) {
    name += "Cu30____7hkackfecea1cbdathfdh9hlq6y";
  }
  name += "E";
  EXPECT_EQ(demangle(name), name);
  EXPECT_EQ(demangle("_RIC0Cu30____7hkackfecea1cbdathfdh9hlq6yE"), "::<საჭმელად_გემრიელი_სადილი>");
}

TEST(Demangle, keeps_its_limits_on_size) {
  const std::string longest = "_Z1f" + std::string(4000, 'P') + "i";
  EXPECT_EQ(demangle(longest), longest) << "nested too deep for libiberty";
  const std::string many = "_Z1f" + std::string(1400, 'i');
  EXPECT_EQ(demangle(many), many) << "more than 4096 bytes of text";
  EXPECT_EQ(demangle("_Z1f" + std::string(700, 'i')).size(), 3U + 700 * 5 - 2);
  EXPECT_EQ(demangle(std::string(100'000, '_')), std::string(100'000, '_'));
}

}  // namespace
}  // namespace waggle
