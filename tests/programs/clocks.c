// SPDX-License-Identifier: Apache-2.0
// clocks: main -> read_clock -> clock_gettime of the C library and of the vDSO, which is where the
// time goes.
#include <stdio.h>
#include <time.h>

static volatile long sink;

static void read_clock(void) {
  struct timespec now;
  for (int i = 0; i < 1000; i++) {
    clock_gettime(CLOCK_MONOTONIC, &now);
    sink += now.tv_nsec;
  }
}

int main(void) {
  puts("ready");
  fflush(stdout);
  for (;;) {
    read_clock();
    sink++;
  }
}
