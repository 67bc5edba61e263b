// SPDX-License-Identifier: Apache-2.0
// jit [anon|memfd|zero] [LATE_MS]: main -> call_generated -> machine code made at run time, in
// memory without a file, in a memfd, or in a mapping of /dev/zero.  It is called "generated_loop"
// in /tmp/perf-PID.map, written before "ready"; with LATE_MS the name is written so much later.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

typedef void (*generated)(unsigned long rounds);

static const unsigned char kCode[] = {
    0x55,              // push %rbp
    0x48, 0x89, 0xe5,  // mov %rsp, %rbp
    0x48, 0xff, 0xcf,  // dec %rdi
    0x75, 0xfb,        // jne to the dec
    0x5d,              // pop %rbp
    0xc3,              // ret
};
enum { kSize = 4096 };

static volatile unsigned long sink;

static void call_generated(generated code) {
  code(1000000);
  sink++;
}

static void* allocate(const char* kind) {
  const int all = PROT_READ | PROT_WRITE | PROT_EXEC;
  if (strcmp(kind, "memfd") == 0) {
    const int fd = memfd_create("code", MFD_CLOEXEC);
    return ftruncate(fd, kSize) == 0 ? mmap(NULL, kSize, all, MAP_SHARED, fd, 0) : MAP_FAILED;
  }
  if (strcmp(kind, "zero") == 0) {
    return mmap(NULL, kSize, all, MAP_PRIVATE, open("/dev/zero", O_RDWR | O_CLOEXEC), 0);
  }
  return mmap(NULL, kSize, all, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void write_map(const void* code) {
  char path[64];
  snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
  FILE* map = fopen(path, "w");
  if (map == NULL) {
    _exit(2);
  }
  fprintf(map, "%lx %zx generated_loop\n", (unsigned long)code, sizeof(kCode));
  fclose(map);
}

static long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000L + t.tv_nsec / 1000000;
}

int main(int argc, char** argv) {
  void* code = allocate(argc > 1 ? argv[1] : "anon");
  if (code == MAP_FAILED) {
    return 2;
  }
  memcpy(code, kCode, sizeof(kCode));
  const long late_ms = argc > 2 ? atol(argv[2]) : 0;
  const long write_at = now_ms() + late_ms;
  if (late_ms == 0) {
    write_map(code);
  }
  puts("ready");
  fflush(stdout);
  for (int is_written = late_ms == 0;;) {
    call_generated((generated)code);
    if (!is_written && now_ms() >= write_at) {
      write_map(code);
      is_written = 1;
    }
  }
}
