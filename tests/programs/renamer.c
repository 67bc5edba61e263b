// SPDX-License-Identifier: Apache-2.0
// Preloaded, it calls all threads of the process "later" once it has run for half a second: by then
// whoever follows new processes knows it.
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static void* rename_later(void* unused) {
  usleep(500000);
  DIR* threads = opendir("/proc/self/task");
  if (threads == NULL) {
    _exit(127);
  }
  for (struct dirent* thread = readdir(threads); thread != NULL; thread = readdir(threads)) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/task/%.10s/comm", thread->d_name);
    const int fd = thread->d_name[0] == '.' ? -1 : open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
      (void)!write(fd, "later", 5);  // unless the thread has ended
      close(fd);
    }
  }
  closedir(threads);
  return unused;
}

__attribute__((constructor)) static void start(void) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // the program's handlers are not for this thread
  pthread_t thread;
  if (pthread_create(&thread, NULL, rename_later, NULL) != 0) {
    _exit(127);
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}
