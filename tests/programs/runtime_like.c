// SPDX-License-Identifier: Apache-2.0
// A program that exports what a .NET runtime does, and spends its time in one function: for tools
// that are made up, where no .NET is to be had.
#include <stdio.h>

int coreclr_initialize(void);
int coreclr_initialize(void) {
  return 0;
}

static volatile unsigned long turns;

__attribute__((noinline)) static void spin(void) {
  for (;;) {
    ++turns;
  }
}

int main(void) {
  puts("ready");
  fflush(stdout);
  spin();
  return coreclr_initialize();
}
