// SPDX-License-Identifier: Apache-2.0
// storm SECONDS RATE: so many children a second, each of which ends at once; prints how many.
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? atof(argv[1]) : 5;
  const double rate = argc > 2 ? atof(argv[2]) : 1000;
  const double start = now();
  long count = 0;
  while (now() < start + seconds) {
    if ((double)count >= (now() - start) * rate) {
      continue;  // ahead of time
    }
    const pid_t pid = fork();
    if (pid == 0) {
      _exit(0);
    }
    waitpid(pid, NULL, 0);
    count++;
  }
  printf("%ld\n", count);
  return 0;
}
