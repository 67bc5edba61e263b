// SPDX-License-Identifier: Apache-2.0
// calls: main -> read_zeros -> read(2), as often as it can.
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static volatile unsigned long sink;

static void read_zeros(int fd) {
  char zeros[8192];
  for (int i = 0; i < 100; i++) {
    sink += (unsigned long)read(fd, zeros, sizeof(zeros));
  }
}

int main(void) {
  const int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return 1;
  }
  puts("ready");
  fflush(stdout);
  for (;;) {
    read_zeros(fd);
    sink++;
  }
}
