// SPDX-License-Identifier: Apache-2.0
// frames: main -> large -> realigned -> growing -> sized -> seventh -> burn, each of which has
// another kind of frame.  Prints "ready" once.
#include <stdio.h>
#include <string.h>

static volatile unsigned long sink;

static void escape(void* memory) {
  __asm__ volatile("" : : "r"(memory) : "memory");
}

static void burn(void) {
  for (int i = 0; i < 20000; i++) {
    sink++;
  }
}

// Its last arguments are on the stack.
static int seventh(int a, int b, int c, int d, int e, int f, int g, int h) {
  burn();
  return a + b + c + d + e + f + g + h;
}

static int sized(int value) {
  int area[value];
  area[0] = value;
  escape(area);
  return seventh(1, 2, 3, 4, 5, 6, area[0], value);
}

// Realigned, and of a size that is not known before.
static int growing(int value) {
  _Alignas(64) int area[16] = {value};
  int* more = __builtin_alloca((unsigned long)value * sizeof(int));
  more[0] = value;
  escape(area);
  escape(more);
  return sized(more[0]) + area[0];
}

static int realigned(int value) {
  _Alignas(64) int area[16] = {value};
  escape(area);
  return growing(area[0]) + area[1];
}

static int large(int value) {
  char area[100000];
  memset(area, value, 64);
  escape(area);
  return realigned(value) + area[5];
}

int main(int argc, char** argv) {
  (void)argv;
  puts("ready");
  fflush(stdout);
  for (;;) {
    sink += (unsigned long)large(argc + 3);
  }
}
