// SPDX-License-Identifier: Apache-2.0
// narrow: a 32-bit program that needs no library: _start -> burn, for ever.
static volatile unsigned long sink;

static void burn(void) {
  for (int i = 0; i < 1000000; i++) {
    sink++;
  }
}

void _start(void) {
  static const char ready[] = "ready\n";
  long result;
  __asm__ volatile("int $0x80"
                   : "=a"(result)
                   : "a"(4 /* write */), "b"(1), "c"(ready), "d"(sizeof(ready) - 1)
                   : "memory");
  for (;;) {
    burn();
  }
}
