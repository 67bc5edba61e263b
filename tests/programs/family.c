// SPDX-License-Identifier: Apache-2.0
// family COUNT MILLISECONDS: children one after the other, each a process of its own that burns for
// so long in burn_in_child and ends.  With "exec" as third argument each child runs this program
// again and burns in burn_after_exec.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long sink;

static long now_ms(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1000L + t.tv_nsec / 1000000;
}

static void burn(long ms) {
  const long end = now_ms(CLOCK_PROCESS_CPUTIME_ID) + ms;
  while (now_ms(CLOCK_PROCESS_CPUTIME_ID) < end) {
    for (int i = 0; i < 20000; i++) {
      sink++;
    }
  }
}

static void burn_in_child(long ms) {
  burn(ms);
  sink++;
}

static void burn_after_exec(long ms) {
  burn(ms);
  sink++;
}

int main(int argc, char** argv) {
  if (argc > 2 && strcmp(argv[1], "burn") == 0) {
    burn_after_exec(atol(argv[2]));
    return 0;
  }
  const int count = argc > 1 ? atoi(argv[1]) : 20;
  char* ms = argc > 2 ? argv[2] : "50";
  const int is_exec = argc > 3 && strcmp(argv[3], "exec") == 0;
  puts("ready");
  fflush(stdout);
  for (int i = 0; i < count; i++) {
    const pid_t pid = fork();
    if (pid == 0 && is_exec) {
      execl("/proc/self/exe", "family", "burn", ms, (char*)NULL);
      _exit(127);
    }
    if (pid == 0) {
      burn_in_child(atol(ms));
      _exit(0);
    }
    waitpid(pid, NULL, 0);
  }
  return 0;
}
