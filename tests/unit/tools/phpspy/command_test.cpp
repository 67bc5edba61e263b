// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/phpspy/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace waggle {
namespace {

TEST(PhpspyCommand, runs_one_for_all_processes_of_the_filter) {
  EXPECT_THAT(phpspy_command("/opt/phpspy", "php-fpm", 11),
              testing::ElementsAre("/opt/phpspy", "--verbose-fields=p", "-P", "php-fpm", "-H", "11",
                                   "-b", "4096", "-T", "16", "--output", "-"));
  EXPECT_THAT(phpspy_command("/p", "php", 5000), testing::Contains("999"));
}

TEST(PhpFilter, is_what_pgrep_takes) {
  for (const std::string filter :
       {"php-fpm", "-x php-fpm8.2", "-u www-data php", "-f /srv/a.php"}) {
    EXPECT_TRUE(check_php_filter(filter)) << filter;
  }
}

TEST(PhpFilter, gives_a_shell_nothing_to_do) {
  for (const std::string filter :
       {"", "  ", "php; reboot", "$(id)", "`id`", "a|b", "a&", "a>b", "a\nb", "'a'", "\"a\"", "a*",
        "a\\b", "~root", "{a,b}", "a?", "[a]", "#a", "!a"}) {
    EXPECT_FALSE(check_php_filter(filter)) << filter;
  }
}

}  // namespace
}  // namespace waggle
