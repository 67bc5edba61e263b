// SPDX-License-Identifier: Apache-2.0
// callbacks: main -> call_generated -> machine code made at run time, which keeps a frame pointer
// -> called_back -> burn.
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

typedef void (*callback)(void);
typedef void (*generated)(callback);

static const unsigned char kCode[] = {
    0x55,              // push %rbp
    0x48, 0x89, 0xe5,  // mov %rsp, %rbp
    0xff, 0xd7,        // call *%rdi
    0x5d,              // pop %rbp
    0xc3,              // ret
};
enum { kSize = 4096 };

static volatile unsigned long sink;

static void burn(void) {
  for (int i = 0; i < 100000; i++) {
    sink++;
  }
}

static void called_back(void) {
  burn();
  sink++;
}

static void call_generated(generated code) {
  code(called_back);
  sink++;
}

int main(void) {
  void* code =
      mmap(NULL, kSize, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (code == MAP_FAILED) {
    return 2;
  }
  memcpy(code, kCode, sizeof(kCode));
  puts("ready");
  fflush(stdout);
  for (;;) {
    call_generated((generated)code);
  }
}
