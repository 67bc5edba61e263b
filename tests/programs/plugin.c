// SPDX-License-Identifier: Apache-2.0
// A library for loader.c: plugin_run -> WORK, whose name is defined for each build while its code
// and its place are the same.
static volatile unsigned long sink;

static void WORK(void) {
  for (int i = 0; i < 1000000; i++) {
    sink++;
  }
}

void plugin_run(void) {
  WORK();
  sink++;
}
