// SPDX-License-Identifier: Apache-2.0
// long_names: main -> a function whose name is long enough to be overwritten in the file by one
// that no compiler takes, which is where all time goes.  Prints "ready" once it burns.
#include <stdio.h>

#define TEN(text) text text text text text text text text text text

static volatile unsigned long sink;

void burn(void) __asm__("long_name_" TEN(TEN("xxxxx")));

__attribute__((noinline)) void burn(void) {
  puts("ready");
  fflush(stdout);
  for (;;) {
    sink++;
  }
}

int main(void) {
  burn();
  return 0;
}
