/*
 * The gate: one page, at one address in every process of the run, whose system calls the guard lets through.
 *
 * The shim's own system calls name raw paths, and it has resolved them already. The guard's filter (launch/guard)
 * tells them from the program's by the address of the instruction: it is in this page. Which calls pass is the
 * filter's to say: those that change metadata, which the fence cannot refuse, do not.
 */
#ifndef UNIONRUN_ENGINE_GATE_H
#define UNIONRUN_ENGINE_GATE_H

#include <stdint.h>

/* Free in each of 500 starts, also under TSan, MSan, ASan and `ulimit -s unlimited`. A page boundary of any size. */
#define UR_GATE UINT64_C(0x7e9000000000)
enum { UR_GATE_SIZE = 4096 };

#endif
