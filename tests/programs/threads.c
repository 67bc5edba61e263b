// SPDX-License-Identifier: Apache-2.0
// threads: two named threads that burn in functions of their own, beside an idle main thread.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static volatile unsigned long sink;

static void* burn_in_first(void* unused) {
  (void)unused;
  for (;;) {
    sink++;
  }
}

static void* burn_in_second(void* unused) {
  (void)unused;
  for (;;) {
    sink++;
  }
}

int main(void) {
  pthread_t first, second;
  if (pthread_create(&first, NULL, burn_in_first, NULL) != 0 ||
      pthread_create(&second, NULL, burn_in_second, NULL) != 0) {
    return 1;
  }
  pthread_setname_np(first, "first-worker");
  pthread_setname_np(second, "second worker");
  puts("ready");
  fflush(stdout);
  pause();
  return 0;
}
