// SPDX-License-Identifier: Apache-2.0
// mapper FILE COUNT: maps a page of FILE's code COUNT times, apart from each other, prints "ready"
// and computes for ever.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

static volatile unsigned long sink;

int main(int argc, char** argv) {
  const int file = argc > 2 ? open(argv[1], O_RDONLY) : -1;
  const int count = argc > 2 ? atoi(argv[2]) : 0;
  const size_t page = 4096;
  char* base = mmap(NULL, 2 * page * (size_t)count, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (file < 0 || base == MAP_FAILED) {
    return 1;
  }
  for (int i = 0; i < count; i++) {
    char* at = base + 2 * page * (size_t)i;
    if (mmap(at, page, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, file, (off_t)page) != at) {
      return 2;
    }
  }
  puts("ready");
  fflush(stdout);
  for (;;) {
    sink++;
  }
}
