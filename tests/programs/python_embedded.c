// SPDX-License-Identifier: Apache-2.0
/* A program with a Python in it: python_embedded LIBPYTHON SOURCE.  No header of Python is needed.
 */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char** argv) {
  void* library = argc == 3 ? dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL) : 0;
  void (*start)(int);
  int (*run)(const char*);

  if (!library) {
    fprintf(stderr, "python_embedded: %s\n", argc == 3 ? dlerror() : "LIBPYTHON SOURCE");
    return 2;
  }
  *(void**)&start = dlsym(library, "Py_InitializeEx");
  *(void**)&run = dlsym(library, "PyRun_SimpleString");
  if (!start || !run)
    return 2;
  start(0);
  return run(argv[2]);
}
