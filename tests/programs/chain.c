// SPDX-License-Identifier: Apache-2.0
// chain_a ROUNDS MILLISECONDS: burns so long in burn_in_a, then becomes chain_b of the same folder,
// which burns in burn_in_b, then chain_c, then chain_a again, ROUNDS times.  STAGE and NEXT are
// defined for each build.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define TEXT_(a) #a
#define TEXT(a) TEXT_(a)

static volatile unsigned long sink;

static long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec * 1000L + t.tv_nsec / 1000000;
}

static void JOIN(burn_in_, STAGE)(long ms) {
  const long end = now_ms() + ms;
  while (now_ms() < end) {
    for (int i = 0; i < 20000; i++) {
      sink++;
    }
  }
}

int main(int argc, char** argv) {
  if (argc < 3) {
    return 2;
  }
  JOIN(burn_in_, STAGE)(atol(argv[2]));
  const int is_last = strcmp(TEXT(STAGE), "c") == 0;
  const int rounds = atoi(argv[1]) - is_last;
  if (rounds == 0) {
    return 0;
  }
  char path[4096];
  char left[16];
  snprintf(left, sizeof(left), "%d", rounds);
  const ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 16);
  if (size < 0) {
    return 2;
  }
  path[size] = '\0';
  strcpy(strrchr(path, '_') + 1, TEXT(NEXT));
  execl(path, path, left, argv[2], (char*)NULL);
  return 127;
}
