// SPDX-License-Identifier: Apache-2.0
// Stands in for an async-profiler that has no timers in the place of perf events: told to sample
// by them it refuses, and else it has one stack of its own.
#include <stddef.h>
#include <stdio.h>
#include <string.h>

// The value of `key` in "a=1,b=2", cut at `size`.
static void copy_value(const char* options, const char* key, char* to, size_t size) {
  const char* at = strstr(options, key);
  const size_t length = at == NULL ? 0 : strcspn(at + strlen(key), ",");
  snprintf(to, size, "%.*s", (int)length, at == NULL ? "" : at + strlen(key));
}

static void write_text(const char* path, const char* text) {
  FILE* file = fopen(path, "w");
  if (file != NULL) {
    fputs(text, file);
    fclose(file);
  }
}

int Agent_OnAttach(void* vm, char* options, void* reserved) {
  (void)vm;
  (void)reserved;
  char log[256], output[256];
  copy_value(options, "log=", log, sizeof(log));
  copy_value(options, "file=", output, sizeof(output));
  if (strncmp(options, "start,event=cpu,", 16) == 0) {
    write_text(log, "[ERROR] No access to perf events. Try --fdtransfer or --all-user option\n");
    return 200;
  }
  if (strncmp(options, "stop,", 5) == 0 && output[0] != '\0') {
    write_text(output, "Old.main()V_[j];Old.timed()V_[j] 5\n");
  }
  return 0;
}
