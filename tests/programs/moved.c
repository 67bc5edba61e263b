// SPDX-License-Identifier: Apache-2.0
// moved LIBRARY: main -> call_library -> library_run -> library_work of moved_library.c -> burn, in
// text that mremap(2) has moved to where no file's text was.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <sys/mman.h>

typedef void (*callback)(void);
typedef void (*library)(callback);

static volatile unsigned long sink;

struct text {
  char* start;
  unsigned long size;
  const char* around;
};

static int find_text(struct dl_phdr_info* info, size_t size, void* data) {
  (void)size;
  struct text* text = data;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr)* segment = &info->dlpi_phdr[i];
    char* start = (char*)info->dlpi_addr + segment->p_vaddr;
    if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X) != 0 && text->around >= start &&
        text->around < start + segment->p_memsz) {
      text->start = (char*)((unsigned long)start & ~4095UL);
      text->size = ((unsigned long)(start - text->start) + segment->p_memsz + 4095) & ~4095UL;
    }
  }
  return 0;
}

static void burn(void) {
  for (int i = 0; i < 1000000; i++) {
    sink++;
  }
}

static void call_library(library run) {
  run(burn);
  sink++;
}

int main(int argc, char** argv) {
  void* opened = dlopen(argc > 1 ? argv[1] : "", RTLD_NOW);
  char* run = opened == NULL ? NULL : dlsym(opened, "library_run");
  if (run == NULL) {
    return 1;
  }
  struct text text = {.around = run};
  dl_iterate_phdr(find_text, &text);
  char* place = mmap(NULL, text.size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (place == MAP_FAILED ||
      mremap(text.start, text.size, text.size, MREMAP_MAYMOVE | MREMAP_FIXED, place) != place) {
    return 1;
  }
  puts("ready");
  fflush(stdout);
  for (;;) {
    call_library((library)(place + (run - text.start)));
  }
}
