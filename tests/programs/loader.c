// SPDX-License-Identifier: Apache-2.0
// loader LIBRARY: main -> plugin_run of the library, for ever.  At SIGUSR1 it opens the library
// anew and goes on in what it finds then.  Prints "ready" each time.
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>

typedef void (*plugin)(void);

static volatile sig_atomic_t is_reload_wanted;

static void on_signal(int number) {
  (void)number;
  is_reload_wanted = 1;
}

int main(int argc, char** argv) {
  signal(SIGUSR1, on_signal);
  while (argc > 1) {
    void* library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    const plugin run = library == NULL ? NULL : (plugin)dlsym(library, "plugin_run");
    if (run == NULL) {
      return 1;
    }
    puts("ready");
    fflush(stdout);
    while (!is_reload_wanted) {
      run();
    }
    is_reload_wanted = 0;
    dlclose(library);
  }
  return 2;
}
