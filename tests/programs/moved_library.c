// SPDX-License-Identifier: Apache-2.0
// A library for moved.c and swapped.c: library_run -> WORK, which calls back.  The code uses no
// data and no other function, so it runs wherever it is.  PAD and WORK are defined for each build:
// the size of WORK's frame, and its name.
typedef void (*callback)(void);

static void WORK(callback call) {
  volatile char area[PAD];
  area[0] = 0;
  call();
  area[PAD - 1] = area[0];
}

void library_run(callback call) {
  volatile int last = 1;
  WORK(call);
  last = 0;
  (void)last;
}
