/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What every header of the wire between kernel and user space starts from. */
#ifndef WAGGLE_ABI_ABI_H
#define WAGGLE_ABI_ABI_H

#ifdef __bpf__
/* vmlinux.h, included first by each BPF program, has the types. */
#else
#include <linux/types.h>
#endif

/* _Static_assert is an error in g++'s C++ mode. */
#ifdef __cplusplus
#define ABI_ASSERT(cond, text) static_assert(cond, text)
#else
#define ABI_ASSERT(cond, text) _Static_assert(cond, text)
#endif

#endif
