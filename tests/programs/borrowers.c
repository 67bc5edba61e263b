// SPDX-License-Identifier: Apache-2.0
// borrowers: main -> lend -> vfork -> burn_in_child, half a second in each child, which runs in the
// memory and on the stack of its parent.
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long sink;

static long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000L + t.tv_nsec / 1000000;
}

static void burn_in_child(void) {
  const long end = now_ms() + 500;
  while (now_ms() < end) {
    for (int i = 0; i < 100000; i++) {
      sink++;
    }
  }
}

static void lend(void) {
  const pid_t pid = vfork();
  if (pid == 0) {
    burn_in_child();
    _exit(0);
  }
  waitpid(pid, NULL, 0);
}

int main(void) {
  puts("ready");
  fflush(stdout);
  for (;;) {
    lend();
    sink++;
  }
}
