/* SPDX-License-Identifier: GPL-2.0 */
/* What depends on the processor: one header for each, with the same functions. */
#ifndef WAGGLE_LIB_ARCH_BPF_H
#define WAGGLE_LIB_ARCH_BPF_H

#if defined(__TARGET_ARCH_x86)
#include "bpf/lib/arch_x86.bpf.h"
#else
#error "no bpf/lib/arch_*.bpf.h for this processor"
#endif

#endif
