// SPDX-License-Identifier: Apache-2.0
// swapped LIBRARY LIBRARY: main -> call_library -> library_run -> work of the library -> burn.  The
// two libraries (moved_library.c) take turns at the same address, 200 ms each.  Prints "ready" once
// both were there, and fails if their addresses differ.  A library is first called 50 ms after it
// was opened: until the kernel side is told, it walks by the table of the one before
// (docs/ARCHITECTURE.md, "Known limits").
#include <dlfcn.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

typedef void (*callback)(void);
typedef void (*library)(callback);

static volatile unsigned long sink;

static long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000L + t.tv_nsec / 1000000;
}

static void burn(void) {
  for (int i = 0; i < 100000; i++) {
    sink++;
  }
}

static void call_library(library run, long ms) {
  const long end = now_ms() + ms;
  while (now_ms() < end) {
    run(burn);
  }
}

int main(int argc, char** argv) {
  void* at = NULL;
  for (int turn = 0; argc > 2; turn++) {
    void* opened = dlopen(argv[1 + turn % 2], RTLD_NOW);
    void* run = opened == NULL ? NULL : dlsym(opened, "library_run");
    if (run == NULL || (at != NULL && at != run)) {
      return 1;
    }
    at = run;
    if (turn == 1) {
      puts("ready");
      fflush(stdout);
    }
    usleep(50000);
    call_library((library)run, turn < 2 ? 1 : 200);
    dlclose(opened);
  }
  return 2;
}
