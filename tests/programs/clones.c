// SPDX-License-Identifier: Apache-2.0
// clones: threads that the C library knows nothing of.  One by clone(2) of the C library, which
// burns in burn_in_clone, and one by the system call alone, on a stack with a 0 at its end, which
// burns in burn_in_raw_clone.
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
  kStackBytes = 65536,
  kFlags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM,
};

static volatile unsigned long sink;
static char stacks[2][kStackBytes] __attribute__((aligned(16)));

static void burn_in_clone(void) {
  for (int i = 0; i < 1000000; i++) {
    sink++;
  }
}

static int start_clone(void* unused) {
  (void)unused;
  for (;;) {
    burn_in_clone();
    sink++;
  }
}

static void burn_in_raw_clone(void) {
  for (int i = 0; i < 1000001; i++) {
    sink++;
  }
}

static void start_raw_clone(void) {
  for (;;) {
    burn_in_raw_clone();
    sink++;
  }
}

// The child enters start_raw_clone with 0 as its return address.
static void make_raw_clone(void* stack_end) {
  void** top = (void**)stack_end - 2;
  top[0] = (void*)start_raw_clone;
  top[1] = NULL;
  register long r10 __asm__("r10") = 0;
  register long r8 __asm__("r8") = 0;
  long result = SYS_clone;
  __asm__ volatile(
      "syscall\n"
      "test %%rax, %%rax\n"
      "jnz 1f\n"
      "xor %%ebp, %%ebp\n"
      "ret\n"
      "1:"
      : "+a"(result)
      : "D"((long)kFlags), "S"(top), "d"(0L), "r"(r10), "r"(r8)
      : "rcx", "r11", "memory");
}

int main(void) {
  if (clone(start_clone, stacks[0] + kStackBytes, kFlags, NULL) < 0) {
    return 1;
  }
  make_raw_clone(stacks[1] + kStackBytes);
  puts("ready");
  fflush(stdout);
  pause();
  return 0;
}
