// SPDX-License-Identifier: Apache-2.0
/*
 * A program with a Python in it whose threads are of C, and enter and leave it in a loop:
 * python_gilstate LIBPYTHON.  Each time a thread state is made and freed again.  No header of
 * Python is needed.  Between two visits a thread runs no Python at all.
 *
 * expected:
 * idle main
 * stack outside
 * stack entering
 *   work
 * stack inside
 *   work
 *   burn
 * end
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { THREADS = 2 };

static int (*ensure)(void);
static void (*release)(int);
static void* (*call)(void* callable, void* arguments);
static void (*forget)(void* object);
static void* work;

static const char kSource[] =
    "def burn(turns):\n"
    "    while turns:\n"
    "        turns -= 1\n"
    "def work():\n"
    "    turns = 2000\n"
    "    while turns:\n"
    "        turns -= 1\n"
    "    burn(2000)\n";

static void* enter_and_leave(void* unused) {
  (void)unused;
  for (;;) {
    int state = ensure();
    void* result = call(work, 0);
    if (!result)
      _exit(3);
    forget(result);
    release(state);
  }
}

int main(int argc, char** argv) {
  void* library = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL) : 0;
  void (*start)(int);
  int (*run)(const char*);
  void* (*module)(const char*);
  void* (*attribute)(void*, const char*);
  void* (*save)(void);

  if (!library) {
    fprintf(stderr, "python_gilstate: %s\n", argc == 2 ? dlerror() : "LIBPYTHON");
    return 2;
  }
  *(void**)&start = dlsym(library, "Py_InitializeEx");
  *(void**)&run = dlsym(library, "PyRun_SimpleString");
  *(void**)&module = dlsym(library, "PyImport_AddModule");
  *(void**)&attribute = dlsym(library, "PyObject_GetAttrString");
  *(void**)&save = dlsym(library, "PyEval_SaveThread");
  *(void**)&ensure = dlsym(library, "PyGILState_Ensure");
  *(void**)&release = dlsym(library, "PyGILState_Release");
  *(void**)&call = dlsym(library, "PyObject_CallObject");
  *(void**)&forget = dlsym(library, "Py_DecRef");
  if (!start || !run || !module || !attribute || !save || !ensure || !release || !call || !forget)
    return 2;
  start(0);
  /* Up to 3.6 threads are not there before they are asked for. */
  void (*threads)(void);
  *(void**)&threads = dlsym(library, "PyEval_InitThreads");
  if (threads)
    threads();
  if (run(kSource) != 0)
    return 2;
  work = attribute(module("__main__"), "work");
  if (!work)
    return 2;
  save();
  for (int i = 0; i < THREADS; i++) {
    pthread_t thread;
    if (pthread_create(&thread, 0, enter_and_leave, 0) != 0)
      return 2;
  }
  puts("ready");
  fflush(stdout);
  for (;;)
    pause();
}
