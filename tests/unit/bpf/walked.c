// SPDX-License-Identifier: Apache-2.0
// A program of every kind of frame, walked instruction by instruction by unwind_live_test.cpp.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile int sink;

__attribute__((noinline)) static void escape(void* memory) {
  __asm__ volatile("" : : "r"(memory) : "memory");
}

__attribute__((noinline)) static int leaf(int value) {
  return value * 3 + sink;
}

// Saves all registers that are the caller's.
__attribute__((noinline)) static int busy(int a, int b, int c, int d, int e, int f) {
  int sum = 0;
  for (int i = 0; i < 3; i++) {
    sum += leaf(a) + leaf(b) + leaf(c) + leaf(d) + leaf(e) + leaf(f);
    a += b++ + c-- + d;
    e ^= f + sum;
  }
  return sum + a + e;
}

// Has an early return, before and after its frame is made.
__attribute__((noinline)) static int early(int value) {
  if (value == 0) {
    return 1;
  }
  char text[64];
  escape(text);
  if (value == 1) {
    return text[0] == 1;
  }
  return busy(value, 2, 3, 4, 5, 6) + text[1];
}

__attribute__((noinline)) static int large(int value) {
  char area[100000];
  memset(area, value, 64);
  escape(area);
  return early(value) + area[5];
}

__attribute__((noinline)) static int realigned(int value) {
  _Alignas(64) int area[16] = {value};
  escape(area);
  return leaf(area[value & 15]);
}

__attribute__((noinline)) static int growing(int value) {
  _Alignas(64) int area[16] = {value};
  int* more = __builtin_alloca((unsigned long)(value & 15) * sizeof(int) + sizeof(int));
  more[0] = value;
  escape(area);
  escape(more);
  return realigned(more[0] + area[0]);
}

__attribute__((noinline)) static int alloca_only(int value) {
  int* more = __builtin_alloca((unsigned long)(value & 15) * sizeof(int) + sizeof(int));
  more[0] = value;
  escape(more);
  return growing(more[0]);
}

__attribute__((noinline)) static int on_stack(int a, int b, int c, int d, int e, int f, int g,
                                              int h) {
  return busy(h, g, f, e, d, c) + a + b;
}

__attribute__((noinline)) static int recurse(int depth) {
  return depth == 0 ? on_stack(1, 2, 3, 4, 5, 6, 7, 8) : recurse(depth - 1) + sink;
}

static int compare(const void* left, const void* right) {
  return leaf(*(const int*)left) - leaf(*(const int*)right);
}

static void on_signal(int number) {
  sink = number + realigned(number);
}

int main(int argc, char** argv) {
  (void)argv;
  static char alternate[65536];
  int numbers[] = {5, 2, 4, 1, 3};
  char text[128];
  int sum =
      busy(argc, 2, 3, 4, 5, 6) + early(0) + early(1) + large(2) + alloca_only(argc) + recurse(20);

  qsort(numbers, sizeof(numbers) / sizeof(numbers[0]), sizeof(numbers[0]), compare);
  sum += snprintf(text, sizeof(text), "%d %s %g", sum, "text", 1.5) + numbers[0];
  char* copy = strdup(text);
  sum += (int)strlen(copy) + (strstr(copy, "text") != NULL);
  free(copy);

  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGUSR1, &action, NULL);
  kill(getpid(), SIGUSR1);
  const stack_t stack = {.ss_sp = alternate, .ss_flags = 0, .ss_size = sizeof(alternate)};
  sigaltstack(&stack, NULL);
  action.sa_flags = SA_ONSTACK;
  sigaction(SIGUSR1, &action, NULL);
  raise(SIGUSR1);

  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);  // in the vDSO
  sink = (int)now.tv_sec;
  if (vfork() == 0) {
    _exit(0);
  }
  return sum == 0;
}
