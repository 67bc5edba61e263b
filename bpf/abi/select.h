/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Which processes are sampled: the contents of the map sel_pids. */
#ifndef WAGGLE_ABI_SELECT_H
#define WAGGLE_ABI_SELECT_H

#include "bpf/abi/abi.h"

/* sel_pids: tgid -> flags.  A process that ends is removed by the kernel side. */
enum sel_flags {
	SEL_ONLY = 0,	  /* this process */
	SEL_CHILDREN = 1, /* and those it forks from now on, with the same flag */
};

enum { SEL_MAX_PIDS = 16384 };

#endif
