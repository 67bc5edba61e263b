// SPDX-License-Identifier: Apache-2.0
// recursion DEPTH [SECONDS]: main -> recurse (DEPTH times) -> burn, which is where all time goes.
// Prints "ready" once it burns; ends after SECONDS, or when killed.  FRAME_BYTES makes the frames
// of recurse() larger, so that programs whose code looks alike unwind by different rules.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static volatile unsigned long sink;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void burn(double until) {
  puts("ready");
  fflush(stdout);
  do {
    for (int i = 0; i < 10000000; i++) {
      sink += (unsigned long)i * 2654435761UL;
    }
  } while (until == 0 || now() < until);
}

static void recurse(int depth, double until) {
#ifdef FRAME_BYTES
  volatile char larger[FRAME_BYTES];
  larger[0] = 0;
#endif
  if (depth > 1) {
    recurse(depth - 1, until);
  } else {
    burn(until);
  }
  sink++;  // no tail call
}

int main(int argc, char** argv) {
  const int depth = argc > 1 ? atoi(argv[1]) : 10;
  const double seconds = argc > 2 ? atof(argv[2]) : 0;
  recurse(depth, seconds > 0 ? now() + seconds : 0);
  return 0;
}
