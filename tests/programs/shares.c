// SPDX-License-Identifier: Apache-2.0
// shares: main -> three functions that take about 60, 30 and 10 % of its time.
#include <stdio.h>

static volatile unsigned long sink;

#define WORK(name, rounds)                \
  static void name(void) {                \
    for (long i = 0; i < (rounds); i++) { \
      sink++;                             \
    }                                     \
  }

WORK(sixty_percent, 600000)
WORK(thirty_percent, 300000)
WORK(ten_percent, 100000)

int main(void) {
  puts("ready");
  fflush(stdout);
  for (;;) {
    sixty_percent();
    thirty_percent();
    ten_percent();
  }
}
