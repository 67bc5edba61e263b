// SPDX-License-Identifier: Apache-2.0
// signals [alternate]: main -> interrupted, which a timer interrupts a thousand times a second:
// on_signal -> handle then runs for most of each millisecond, on the same stack or on one of its
// own.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

static volatile unsigned long sink;
static char area[65536];

static void handle(void) {
  for (int i = 0; i < 200000; i++) {
    sink++;
  }
}

static void on_signal(int number) {
  handle();
  sink += (unsigned long)number;
}

static void interrupted(void) {
  for (int i = 0; i < 10000000; i++) {
    sink++;
  }
}

int main(int argc, char** argv) {
  (void)argv;
  struct sigaction action = {.sa_handler = on_signal};
  if (argc > 1) {
    const stack_t stack = {.ss_sp = area, .ss_flags = 0, .ss_size = sizeof(area)};
    sigaltstack(&stack, NULL);
    action.sa_flags = SA_ONSTACK;
  }
  sigaction(SIGALRM, &action, NULL);
  const struct itimerval each_ms = {{0, 1000}, {0, 1000}};
  setitimer(ITIMER_REAL, &each_ms, NULL);
  puts("ready");
  fflush(stdout);
  for (;;) {
    interrupted();
    sink++;
  }
}
