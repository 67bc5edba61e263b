// SPDX-License-Identifier: Apache-2.0
// lazy: main -> call_lazily -> labs, whose PLT entry goes to the dynamic linker's resolver each
// time: the program puts its table of addresses back to what it was at the start.  Linked for lazy
// binding, at fixed addresses.
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>

enum { kReserved = 3, kMost = 64 };  // the first entries are the dynamic linker's

static volatile long sink;

static size_t dynamic_value(long tag) {
  for (const ElfW(Dyn)* entry = _DYNAMIC; entry->d_tag != DT_NULL; entry++) {
    if (entry->d_tag == tag) {
      return entry->d_un.d_val;
    }
  }
  return 0;
}

static void call_lazily(void) {
  sink += labs(sink);
  sink++;
}

int main(void) {
  void* unbound[kMost];
  void* volatile* table = (void* volatile*)dynamic_value(DT_PLTGOT) + kReserved;
  const size_t count = dynamic_value(DT_PLTRELSZ) / sizeof(ElfW(Rela));
  if (count == 0 || count > kMost) {
    return 2;
  }
  for (size_t i = 0; i < count; i++) {
    unbound[i] = table[i];
  }
  puts("ready");
  fflush(stdout);
  for (;;) {
    call_lazily();
    for (size_t i = 0; i < count; i++) {
      table[i] = unbound[i];
    }
  }
}
